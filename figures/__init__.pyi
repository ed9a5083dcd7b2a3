"""The public names of the figures, each once; `__init__` imports a name from here when it is asked for."""

from neurondeath.figures.gallery import make_figure as make_figure
from neurondeath.figures.registry import FIGURES as FIGURES
