"""Economics: from the ledger to money: cost per task, margin, break-even, sensitivity, energy."""
