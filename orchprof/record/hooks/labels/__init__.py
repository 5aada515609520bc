"""Labels: frameworks' own calls under the names their users gave. Time never depends on them, only its names do."""
