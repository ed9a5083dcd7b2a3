"""The design explorer: a page in the browser in which one design, or two side by side, is changed by controls.

From below: `choices` (what the controls say), `closed_forms` (answers at once), `work` and `workbench` (answers that
take seconds, in one thread), `recipes` (the same in Python and on the command line), `page`, `server`.
"""
