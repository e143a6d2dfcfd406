# %% [markdown]
# # The whole method in one notebook
#
# **Goals.** See what resolution takes away from a face recogniser; meet the two teachers; run both stages of the
# distillation; score the result honestly.
#
# **Prerequisites.** Python, a little PyTorch. **Time.** About 3 minutes on 2 CPU cores; no GPU, nothing downloaded.
#
# **Paper.** *Distilling Generative-Discriminative Representations for Very Low-Resolution Face Recognition*,
# arXiv [2409.06371](https://arxiv.org/abs/2409.06371). Layer, timestep and loss weights could not be read from public
# text; the choices here are this project's own.
#
# Every face below is sampled from a statistical model: nobody's photograph.
#
# ## The result first
# The teacher (SFace, reads 112 px) and the shipped student compare the same faces as they shrink.

# %%
import tempfile
from pathlib import Path

import numpy as np
import torch
from IPython.display import Image, Markdown, display

from gdrd_lab.compare import compare, shown
from gdrd_lab.degradation import Degradation
from gdrd_lab.faces.embedded import embedded_faces
from gdrd_lab.faces.faceset import to_tensor
from gdrd_lab.figures import Curve, accuracy_curves, alt_text, curves, face_strip, render
from gdrd_lab.methods import open_recogniser, shipped_generative

torch.manual_seed(0)


def show(figure):
    """Show a figure as a picture, with its description for screen readers."""
    display(Image(render(figure, "png"), width=640, alt=alt_text(figure)))


faces = embedded_faces(identities=30, per_identity=4, size=112, seed=0)
teacher, student = open_recogniser("sface"), open_recogniser("student")
sizes = (6, 8, 12, 16, 24, 32, 64, 112)
pair = compare(faces[0], faces[1], [teacher, student], sizes)
show(
    accuracy_curves(
        [Curve(name, "same person", sizes, scores) for name, scores in pair.scores.items()],
        title="Score of one genuine pair",
        metric="cosine score",
        chance=None,
    )
)

# %% [markdown]
# ## What a recogniser is given
# Three identities, two images each, at 112, 32, 16 and 8 px.

# %%
rows = {f"{size} px": [shown(faces[k], size, 112) for k in (0, 1, 4, 5, 8, 9)] for size in (112, 32, 16, 8)}
show(face_strip(rows, ["A1", "A2", "B1", "B2", "C1", "C2"]))

# %% [markdown]
# ## The discriminative teacher
# SFace maps an aligned face to a unit vector; the score of two faces is the cosine of their vectors. It is
# differentiable here, so that a student can learn from it.

# %%
sharp = to_tensor([faces[k] for k in range(8)])
low = Degradation(16)(sharp, seeds=range(8))
with torch.inference_mode():
    scores = teacher.embed(sharp) @ teacher.embed(low).T
print("sharp face k against 16 px face k:", np.round(scores.diag().numpy(), 2))

# %% [markdown]
# ## The generative teacher
# An SR3-style diffusion model learned to put back what the enlargement lacks, $x_0 = (y - c)/s$:
#
# $$x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon,\qquad
# v = \sqrt{\bar\alpha_t}\,\epsilon - \sqrt{1-\bar\alpha_t}\,x_0 .$$
#
# Two seeds give two faces: whatever differs between them is invented, not seen.

# %%
from gdrd_lab.teachers.super_resolution import load_generative

generative = load_generative(shipped_generative())
steps: list[torch.Tensor] = []
generative(low[:1], steps=6, seeds=[0], callback=lambda step, face: steps.append(face))


def picture(face):
    """Turn a face tensor (3, S, S) into uint8 pixels."""
    return (face * 255).round().byte().permute(1, 2, 0).numpy()


film = [shown(picture(face[0]), 64, 112) for face in steps]
show(face_strip({"estimate": film}, [f"step {k + 1}" for k in range(6)]))
seeds = [shown(picture(generative(low[:1], steps=4, seeds=[seed])[0]), 64, 112) for seed in range(4)]
show(
    face_strip(
        {"16 px input, 4 seeds": [shown(faces[0], 16, 112), *seeds]}, ["input", *(f"seed {k}" for k in range(4))]
    )
)

# %% [markdown]
# ## What its encoder knows
# The student will regress these features, so look at their shapes first.

# %%
from gdrd_lab.teachers.features import encoder_blocks, generative_features

for block in encoder_blocks(generative.unet):
    print(block, tuple(generative_features(generative, low, block=block).shape))

# %% [markdown]
# ## The two stages, for real, in miniature
# Stage 1: the backbone $f$ with an adapter $A$ regresses the generative teacher's features $g$, then it is frozen:
#
# $$L_{gen} = \| A f(x^{lr}) - g(x^{lr}) \|^2 .$$
#
# Stage 2: the head learns from the discriminative teacher. With relation vectors
# $v_{ij} = W_2\,\mathrm{ReLU}(W_1(e_i - e_j))$ and the critic $h(u, v) = \sigma(\cos(u, v)/\tau)$,
#
# $$L_{rcd} = -\,\mathrm{mean}\log h(v^t_{ij}, v^{ts}_{ij}) - \mathrm{mean}\sum_{k \neq j}
# \log\left[1 - h(v^t_{ij}, v^{ts}_{ik})\right],$$
#
# together with $L_{kd}$ and $L_{cls}$. The `smoke` recipe takes 12 steps per stage: enough to see the losses move, far
# too few for a useful student.

# %%
from gdrd_lab.training.config import Recipe
from gdrd_lab.training.pipeline import train_all

with tempfile.TemporaryDirectory() as folder:
    out = Path(folder)
    small = train_all(Recipe.smoke(), faces, out, teacher, progress=False)
    for stage in ("generative", "backbone", "head"):
        table = np.genfromtxt(out / "checkpoints" / stage / "losses.csv", delimiter=",", names=True)
        losses = {name: table[name] for name in table.dtype.names[2:]}
        print(stage, {name: f"{values[0]:.3f} -> {values[-1]:.3f}" for name, values in losses.items()})

# %% [markdown]
# ## Does it work?
# The same protocol for every method: pairs in 10 folds, the threshold chosen on the other nine. The embedded faces are
# a teaching set; the numbers that count are on LFW (`gdrd evaluate --data lfw`), in the README.

# %%
from gdrd_lab.evaluation import sweep
from gdrd_lab.faces.pairs import random_pairs

measures = sweep.Measures(pairs=random_pairs(faces.labels, folds=10, per_fold=15, seed=0), bootstrap=0)
results = sweep.sweep(
    [teacher, student],
    faces,
    sweep.resolutions([8, 16, 32, 64]),
    measures,
    settings=[sweep.Setting.SAME],
    progress=False,
)
show(accuracy_curves(curves(results), title="Embedded faces, both images at the same resolution"))
display(
    Markdown(
        "\n".join(
            f"- {s.method} at {s.resolution} px: {s.value:.3f} ± {s.spread:.3f}"
            for s in results
            if s.metric == "accuracy"
        )
    )
)

# %% [markdown]
# ## Summary
# - A face of 16 x 16 pixels still tells people apart, one of 8 x 8 hardly does.
# - Two teachers: one that knows how faces look (generative), one that knows who is who (discriminative).
# - Super-resolution shows a plausible face, not the person's face.
#
# **Ask yourself.** Why is the backbone frozen before stage 2? Why must the teacher get no gradient? Which numbers here
# would change with another seed?
#
# **Limits.** For teaching and research only. Error rates at these resolutions are far too high, and differ between
# groups of people, for any decision about a person.
