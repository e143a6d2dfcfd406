"""The table of equations, functions, tests and notebook cells; a test checks each row."""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Equation:
    """One row of the table."""

    name: str  # in the paper or in the method's source
    formula: str  # LaTeX
    function: str  # dotted path of its implementation
    notebook: str  # stem of the notebook that calls it
    test: str  # "file.py::test" with an independent formula, below tests/


# fmt: off
ROWS = (
    Equation("Forward process of the generative teacher",
        r"x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon",
        "gdrd_lab.models.diffusion.process.noised", "01_the_diffusion_teacher",
        "models/diffusion/test_process.py::test_noised_and_velocity_by_hand"),
    Equation("Velocity, and the clean face from it", r"v = \sqrt{\bar\alpha_t}\,\epsilon - \sqrt{1-\bar\alpha_t}\,x_0",
        "gdrd_lab.models.diffusion.process.clean_from_velocity", "01_the_diffusion_teacher",
        "models/diffusion/test_process.py::test_the_clean_face_comes_back"),
    Equation("Residual target", r"x_0 = (y - c)/s",
        "gdrd_lab.models.diffusion.pipeline.SuperResolutionPipeline.clean", "01_the_diffusion_teacher",
        "models/diffusion/test_pipeline.py::test_velocity_loss_is_zero_for_the_exact_velocity_and_matches_the_formula"),
    Equation("Denoising loss", r"L = \mathbb{E}\,\lVert \mathrm{UNet}(x_t, c, t) - v\rVert^2",
        "gdrd_lab.training.stages.diffusion.velocity_loss", "01_the_diffusion_teacher",
        "models/diffusion/test_pipeline.py::test_velocity_loss_is_zero_for_the_exact_velocity_and_matches_the_formula"),
    Equation("L_gen", r"L_{gen} = \mathrm{mean}\left(A f(x^{lr}) - g(x^{lr})\right)^2",
        "gdrd_lab.losses.generative.generative_loss", "02_feature_regression",
        "losses/test_generative.py::test_value_follows_the_formula"),
    Equation("Relation vector", r"v_{ij} = W_2\,\mathrm{ReLU}(W_1(e_i - e_j))",
        "gdrd_lab.losses.relational.RelationModule", "03_relational_contrastive_distillation",
        "losses/test_relational.py::test_both_terms_follow_the_formula"),
    Equation("L_rcd with its critic",
        r"L_{rcd} = -\mathrm{mean}\log h(v^t_{ij}, v^{ts}_{ij}) "
        r"- \mathrm{mean}\sum_{k\neq j}\log[1 - h(v^t_{ij}, v^{ts}_{ik})]",
        "gdrd_lab.losses.relational.RelationalContrastiveLoss", "03_relational_contrastive_distillation",
        "losses/test_relational.py::test_both_terms_follow_the_formula"),
    Equation("L_kd", r"L_{kd} = \mathrm{mean}_i(1 - \cos(e^s_i, e^t_i))",
        "gdrd_lab.losses.distillation.cosine_distillation_loss", "03_relational_contrastive_distillation",
        "losses/test_distillation.py::test_cosine_follows_the_formula"),
    Equation("L_cls", r"L_{cls} = -\log\mathrm{softmax}_y(s\cos(\theta_c + m[c = y]))",
        "gdrd_lab.losses.classification.ArcFace", "03_relational_contrastive_distillation",
        "losses/test_classification.py::test_value_follows_the_formula_and_leaves_unlabelled_faces_out"),
    Equation("Accuracy on held-out folds",
        r"\mathrm{accuracy} = \frac{1}{F}\sum_f \mathrm{acc}_f(\theta^*_{\text{other folds}})",
        "gdrd_lab.evaluation.metrics.verification.lfw_accuracy", "00_what_resolution_takes_away",
        "evaluation/metrics/test_verification.py::test_lfw_accuracy_on_four_pairs_by_hand"),
    Equation("Linear CKA",
        r"\mathrm{CKA} = \lVert Y^\top X\rVert_F^2 / (\lVert X^\top X\rVert_F \lVert Y^\top Y\rVert_F)",
        "gdrd_lab.analysis.cka.linear_cka", "05_embeddings_and_attention",
        "analysis/test_cka.py::test_cka_equals_the_feature_space_formula"),
    Equation("Class activation map of an embedding", r"M_{ij} = \max(0, \sum_c A_{cij}\,\partial s/\partial A_{cij})",
        "gdrd_lab.analysis.cam.class_activation_map", "05_embeddings_and_attention",
        "analysis/test_cam.py::test_a_network_that_sees_one_corner_is_explained_by_that_corner"),
    Equation("Alignment", r"\min_{a,b,t}\sum_k\lVert S_{ab}\,p_k + t - q_k\rVert^2",
        "gdrd_lab.alignment.template.similarity", "07_bring_your_own_faces",
        "alignment/test_yunet.py::test_similarity_is_the_least_squares_one"),
)
# fmt: on
HEAD = """\
# Equations

Paper: arXiv [2409.06371](https://arxiv.org/abs/2409.06371). Its equation numbers could not be read from
public text, so the names are those of the paper or of the works that it builds on (see the docstrings).
`make notebooks` writes this page from `gdrd_lab/course/equations.py`, and `tests/course/test_equations.py`
checks each row.

| equation | formula | function | test | notebook cell |
|---|---|---|---|---|"""


def cell_of(row: Equation, cells: list[Mapping[str, str]]) -> int | None:
    """Return the number of the first code cell that calls the row's function below a text with a formula, or None."""
    name = row.function.rsplit(".", 1)[1]
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code" and re.search(rf"\b{name}\(|\({name}\b", cell["source"]):
            above = next((c["source"] for c in reversed(cells[:number]) if c["cell_type"] == "markdown"), "")
            if "$" in above:
                return number
    return None


def table(notebooks: Mapping[str, list[Mapping[str, str]]]) -> str:
    """Return notebooks/EQUATIONS.md."""
    lines = [HEAD]
    for row in ROWS:
        number = cell_of(row, notebooks[row.notebook])
        cell = f"[{row.notebook}]({row.notebook}.ipynb), `cell-{number:02d}`"
        formula = row.formula.replace("|", r"\vert ")
        lines.append(f"| {row.name} | ${formula}$ | `{row.function}` | `tests/{row.test}` | {cell} |")
    return "\n".join(lines) + "\n"
