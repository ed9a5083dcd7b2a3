"""The papers whose results the project computes, with the fields of their BibTeX entries."""

from dataclasses import dataclass

__all__ = ["PAPERS", "Paper"]


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A paper: the fields of its BibTeX entry.

    Attributes
    ----------
    key : str
        Citation key, as in docstrings and claims.
    title : str
        With braces where capitals are to be kept.
    authors : tuple of str
        "Family, Given", in LaTeX.
    year : int
        Of publication where it is published, else of the preprint.
    arxiv : str
        Number on arXiv.
    published : tuple of (str, str)
        BibTeX fields of the published version; empty for a preprint.
    kind : str
        BibTeX type of the entry.
    """

    key: str
    title: str
    authors: tuple[str, ...]
    year: int
    arxiv: str
    published: tuple[tuple[str, str], ...] = ()
    kind: str = "misc"

    @property
    def url(self) -> str:
        """Address of the paper on arXiv."""
        return f"https://arxiv.org/abs/{self.arxiv}"

    @property
    def bibtex(self) -> str:
        """The entry as BibTeX."""
        fields = [
            ("title", self.title),
            ("author", " and ".join(self.authors)),
            ("year", str(self.year)),
            *self.published,
            ("eprint", self.arxiv),
            ("archivePrefix", "arXiv"),
        ]
        body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields)
        return f"@{self.kind}{{{self.key},\n{body}\n}}"


PAPERS = {
    paper.key: paper
    for paper in (
        Paper(
            key="rister2020",
            title="Probabilistic bounds on neuron death in deep rectifier networks",
            authors=("Rister, Blaine", "Rubin, Daniel L."),
            year=2020,
            arxiv="2007.06192",
        ),
        Paper(
            key="lu2018",
            title="Collapse of Deep and Narrow Neural Nets",
            authors=("Lu, Lu", "Su, Yanhui", "Karniadakis, George Em"),
            year=2018,
            arxiv="1808.04947",
        ),
        Paper(
            key="lu2019",
            title="Dying {ReLU} and Initialization: Theory and Numerical Examples",
            authors=("Lu, Lu", "Shin, Yeonjong", "Su, Yanhui", "Karniadakis, George Em"),
            year=2020,
            arxiv="1903.06733",
            published=(
                ("journal", "Communications in Computational Physics"),
                ("volume", "28"),
                ("number", "5"),
                ("pages", "1671--1706"),
                ("doi", "10.4208/cicp.OA-2020-0165"),
            ),
            kind="article",
        ),
        Paper(
            key="brownlowe2024",
            title="Stably unactivated neurons in {ReLU} neural networks",
            authors=(
                "Brownlowe, Natalie",
                "Cornwell, Christopher R.",
                "Montes, Ethan",
                "Quijano, Gabriel",
                "Stulman, Grace",
                "Zhang, Na",
            ),
            year=2024,
            arxiv="2412.06829",
        ),
        Paper(
            key="price2024",
            title="Deep neural network initialization with sparsity inducing activations",
            authors=(
                "Price, Ilan",
                "Daultry Ball, Nicholas",
                "Lam, Samuel C. H.",
                "Jones, Adam C.",
                "Tanner, Jared",
            ),
            year=2024,
            arxiv="2402.16184",
            published=(("booktitle", "International Conference on Learning Representations"),),
            kind="inproceedings",
        ),
        Paper(
            key="dent2026",
            title="How Controlling the Variance can Improve Training Stability of Sparsely Activated {DNNs} and {CNNs}",
            authors=("Dent, Emily", "Tanner, Jared"),
            year=2026,
            arxiv="2602.05779",
        ),
        Paper(
            key="whitaker2023",
            title="Synaptic Stripping: How Pruning Can Bring Dead Neurons Back To Life",
            authors=("Whitaker, Tim", "Whitley, Darrell"),
            year=2023,
            arxiv="2302.05818",
            published=(("booktitle", "International Joint Conference on Neural Networks"),),
            kind="inproceedings",
        ),
        Paper(
            key="dufort2024",
            title="Maxwell's Demon at Work: Efficient Pruning by Leveraging Saturation of Neurons",
            authors=(
                r"Dufort-Labb{\'e}, Simon",
                "D'Oro, Pierluca",
                "Nikishin, Evgenii",
                "Pascanu, Razvan",
                "Bacon, Pierre-Luc",
                "Baratin, Aristide",
            ),
            year=2024,
            arxiv="2403.07688",
        ),
        Paper(
            key="liu2022",
            title="{AP}: Selective Activation for De-sparsifying Pruned Networks",
            authors=("Liu, Shiyu", "Ghosh, Rohan", "Tan, Dylan", "Motani, Mehul"),
            year=2023,
            arxiv="2212.06145",
            published=(("journal", "Transactions on Machine Learning Research"),),
            kind="article",
        ),
        Paper(
            key="hanin2018",
            title="Products of Many Large Random Matrices and Gradients in Deep Neural Networks",
            authors=("Hanin, Boris", "Nica, Mihai"),
            year=2020,
            arxiv="1812.05994",
            published=(
                ("journal", "Communications in Mathematical Physics"),
                ("volume", "376"),
                ("number", "1"),
                ("pages", "287--322"),
            ),
            kind="article",
        ),
        Paper(
            key="jakub2023",
            title="Depth Degeneracy in Neural Networks: Vanishing Angles in Fully Connected {ReLU} Networks on "
            "Initialization",
            authors=("Jakub, Cameron", "Nica, Mihai"),
            year=2023,
            arxiv="2302.09712",
        ),
        Paper(
            key="hayou2021",
            title="Stable {ResNet}",
            authors=(
                "Hayou, Soufiane",
                "Clerico, Eugenio",
                "He, Bobby",
                "Deligiannidis, George",
                "Doucet, Arnaud",
                "Rousseau, Judith",
            ),
            year=2021,
            arxiv="2010.12859",
            published=(("booktitle", "International Conference on Artificial Intelligence and Statistics"),),
            kind="inproceedings",
        ),
        Paper(
            key="shang2016",
            title="Understanding and Improving Convolutional Neural Networks via Concatenated Rectified Linear Units",
            authors=("Shang, Wenling", "Sohn, Kihyuk", "Almeida, Diogo", "Lee, Honglak"),
            year=2016,
            arxiv="1603.05201",
            published=(("booktitle", "International Conference on Machine Learning"),),
            kind="inproceedings",
        ),
        Paper(
            key="balduzzi2017",
            title="The Shattered Gradients Problem: If resnets are the answer, then what is the question?",
            authors=(
                "Balduzzi, David",
                "Frean, Marcus",
                "Leary, Lennox",
                "Lewis, {JP}",
                "Ma, Kurt Wan-Duo",
                "McWilliams, Brian",
            ),
            year=2017,
            arxiv="1702.08591",
            published=(("booktitle", "International Conference on Machine Learning"),),
            kind="inproceedings",
        ),
        Paper(
            key="zhang2022",
            title="Deep Learning without Shortcuts: Shaping the Kernel with Tailored Rectifiers",
            authors=("Zhang, Guodong", "Botev, Aleksandar", "Martens, James"),
            year=2022,
            arxiv="2203.08120",
            published=(("booktitle", "International Conference on Learning Representations"),),
            kind="inproceedings",
        ),
        Paper(
            key="simon2026",
            title="On the Relationship Between Activation Outliers and Feature Death in Sparse Autoencoders",
            authors=("Simon, Elana", "Adams, Etowah", "Zou, James"),
            year=2026,
            arxiv="2605.31518",
        ),
        Paper(
            key="joudaki2026",
            title="Barriers for Learning in an Evolving World: Mathematical Understanding of Loss of Plasticity",
            authors=(
                "Joudaki, Amir",
                "Lanzillotta, Giulia",
                "Samragh Razlighi, Mohammad",
                "Mirzadeh, Iman",
                "Alizadeh, Keivan",
                "Hofmann, Thomas",
                "Farajtabar, Mehrdad",
                "Faghri, Fartash",
            ),
            year=2026,
            arxiv="2510.00304",
        ),
        Paper(
            key="shvetsov2026",
            title="Bug or Feature$^2$: Weight Drift, Activation Sparsity and Spikes",
            authors=(
                "Shvetsov, Egor",
                "Serkov, Aleksandr",
                "Shokorov, Viacheslav",
                "Redko, Dmitry",
                "Goloshchapov, Vladislav",
                "Burnaev, Evgeny",
            ),
            year=2026,
            arxiv="2605.17659",
        ),
        Paper(
            key="sokar2023",
            title="The Dormant Neuron Phenomenon in Deep Reinforcement Learning",
            authors=("Sokar, Ghada", "Agarwal, Rishabh", "Castro, Pablo Samuel", "Evci, Utku"),
            year=2023,
            arxiv="2302.12902",
            published=(("booktitle", "International Conference on Machine Learning"),),
            kind="inproceedings",
        ),
        Paper(
            key="kumar2023",
            title="Maintaining Plasticity in Continual Learning via Regenerative Regularization",
            authors=("Kumar, Saurabh", "Marklund, Henrik", "Van Roy, Benjamin"),
            year=2023,
            arxiv="2308.11958",
        ),
        Paper(
            key="dohare2024",
            title="Loss of Plasticity in Deep Continual Learning",
            authors=(
                "Dohare, Shibhansh",
                "Hernandez-Garcia, J. Fernando",
                "Lan, Qingfeng",
                "Rahman, Parash",
                "Mahmood, A. Rupam",
                "Sutton, Richard S.",
            ),
            year=2024,
            arxiv="2306.13812",
            published=(("journal", "Nature"), ("volume", "632"), ("pages", "768--774")),
            kind="article",
        ),
        Paper(
            key="farias2024",
            title="Self-Normalized Resets for Plasticity in Continual Learning",
            authors=("Farias, Vivek F.", "Jozefiak, Adam D."),
            year=2024,
            arxiv="2410.20098",
        ),
    )
}
