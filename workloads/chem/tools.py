"""The tools: a chemist's, on rdkit, and a search of the literature. Each takes a string and returns JSON."""

import json
from collections.abc import Callable
from typing import Any, Final

from rdkit import Chem, rdBase
from rdkit.Chem import Descriptors, rdDistGeom, rdForceFieldHelpers, rdMolDescriptors

import orchprof

from .data import library
from .literature import Literature

_SEED: Final = 1  # where atoms start is random; the same molecule gets the same structure every time
_TOLD: Final = (
    "MolWt",
    "MolLogP",
    "TPSA",
    "NumHDonors",
    "NumHAcceptors",
    "NumRotatableBonds",
    "RingCount",
    "qed",
)
_EXAMPLES: Final = 5
_DESCRIPTORS: Final[Callable[[Any], dict[str, float]]] = Descriptors.CalcMolDescriptors


class ChemistryError(RuntimeError):
    """A tool has no result, and says why."""


class Tools:
    """What the agent may call. Safe in threads."""

    def __init__(self, settings: dict[str, Any]) -> None:
        rdBase.DisableLog("rdApp.*")  # what goes wrong is said by the tools
        self._conformers: int = settings["conformers"]
        self._timeout_s: int = settings["timeout_s"]
        self._library = [_molecule(smiles) for smiles in library()]
        self.literature = Literature(settings["corpus"], settings["documents"])
        self.molecules = len(self._library)

    @orchprof.tool("parse_smiles")
    def parse_smiles(self, smiles: str) -> str:
        """Return a molecule's canonical SMILES, molecular formula and size.

        Raises:
            ChemistryError: it is no SMILES.
        """
        molecule = _molecule(smiles)
        return json.dumps({
            "smiles": Chem.MolToSmiles(molecule),
            "formula": rdMolDescriptors.CalcMolFormula(molecule),
            "heavy_atoms": molecule.GetNumHeavyAtoms(),
        })  # fmt: skip

    @orchprof.tool("describe")
    def describe(self, smiles: str) -> str:
        """Return the best-known of a molecule's descriptors; all that rdkit has are calculated.

        Raises:
            ChemistryError: it is no SMILES.
        """
        calculated = _DESCRIPTORS(_molecule(smiles))
        return json.dumps({name: round(calculated[name], 4) for name in _TOLD})

    @orchprof.tool("embed_3d")
    def embed_3d(self, smiles: str) -> str:
        """Return the number of atoms of a molecule in space, and the lowest energy of its structures, in kcal/mol.

        Raises:
            ChemistryError: it is no SMILES, or there is no structure of it, or no force field for it.
        """
        molecule = Chem.AddHs(_molecule(smiles))
        if not rdForceFieldHelpers.MMFFHasAllMoleculeParams(molecule):
            raise ChemistryError(f"no force field, MMFF lacks an atom type @ {smiles}")
        self._place(molecule, smiles)
        energies = rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(molecule, numThreads=1)
        lowest = min(energy for _, energy in energies)
        return json.dumps({
            "atoms": molecule.GetConformer().GetNumAtoms(),
            "conformers": len(energies),
            "energy_kcal_per_mol": round(lowest, 3),
        })  # fmt: skip

    @orchprof.tool("search_library")
    def search_library(self, smarts: str) -> str:
        """Return how many molecules of the library hold a substructure, and some of them.

        Raises:
            ChemistryError: it is no SMARTS.
        """
        query = Chem.MolFromSmarts(smarts)
        if query is None:
            raise ChemistryError(f"not a substructure, {smarts!r} @ SMARTS")
        found = [molecule for molecule in self._library if molecule.HasSubstructMatch(query)]
        examples = [Chem.MolToSmiles(molecule) for molecule in found[:_EXAMPLES]]
        return json.dumps({"count": len(found), "of": self.molecules, "examples": examples})

    @orchprof.tool("search_literature")
    def search_literature(self, query: str) -> str:
        """Return the passages that fit a query best, with their titles."""
        return json.dumps(self.literature.search(query))

    def close(self) -> None:
        """Close the literature."""
        self.literature.close()

    def _place(self, molecule: Any, smiles: str) -> None:
        """Give a molecule its structures; where distances alone lead nowhere, random starts often do."""
        parameters: Any = rdDistGeom.ETKDGv3()
        parameters.randomSeed = _SEED
        parameters.timeout = self._timeout_s
        parameters.numThreads = 1
        for random in (False, True):
            parameters.useRandomCoords = random
            if len(rdDistGeom.EmbedMultipleConfs(molecule, self._conformers, parameters)) == self._conformers:
                return
        raise ChemistryError(
            f"no 3-D structure within {self._timeout_s} s, {self._conformers} asked for @ {smiles}"
        )


def _molecule(smiles: str) -> Any:
    molecule = Chem.MolFromSmiles(smiles)
    if molecule is None or not molecule.GetNumAtoms():
        raise ChemistryError(f"not a molecule, {smiles!r} @ SMILES")
    return molecule
