"""The types of the contract by the names that their records give in `schema`."""

from typing import Final

from orchprof.contract.bench import Bench
from orchprof.contract.brief import Brief
from orchprof.contract.claim import Claim
from orchprof.contract.cost import Cost
from orchprof.contract.costs import Costs
from orchprof.contract.env import Env
from orchprof.contract.explain import Explain
from orchprof.contract.plan import Plan
from orchprof.contract.prices import Prices
from orchprof.contract.report import Report
from orchprof.contract.verify import Verify
from orchprof.contract.whatif import Whatif
from orchprof.contract.workloads import Workloads

KINDS: Final[dict[str, type]] = {
    "orchprof.bench/1": Bench,
    "orchprof.brief/1": Brief,
    "orchprof.claim/1": Claim,
    "orchprof.cost/1": Cost,
    "orchprof.costs/1": Costs,
    "orchprof.env/1": Env,
    "orchprof.explain/1": Explain,
    "orchprof.plan/1": Plan,
    "orchprof.prices/1": Prices,
    "orchprof.report/1": Report,
    "orchprof.verify/1": Verify,
    "orchprof.whatif/1": Whatif,
    "orchprof.workloads/1": Workloads,
}
