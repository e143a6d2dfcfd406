# %% [markdown]
# # 00 What resolution takes away
#
# **Goals.** See what a face loses from 112 px to 8 px; score a pair; measure how often a decision is right; see the whole
# method once, in miniature.
#
# **Prerequisites.** Python, a little PyTorch. No other notebook. `README.md` beside this notebook has a self-test and a glossary.
#
# **Time.** About 1 minute on 2 CPU cores; nothing is downloaded. The training cell uses a GPU where there is one (not timed).
# The exercises take about 45 minutes.
#
# **Student.** Two students stand in the figures. `student` is made by the recipe `best`: it is pruned from the *assistant* and
# learns the assistant's and SFace's embeddings. It skips stage 1, and L_gen, L_rcd and L_cls have no part in it.
# `student, paper recipe` is the whole method in the paper's order, with a short training. `data/MODELS.md` has the details.
#
# **Paper.** *Distilling Generative-Discriminative Representations for Very Low-Resolution Face Recognition*, arXiv
# [2409.06371](https://arxiv.org/abs/2409.06371): the task, and all of L_gen, L_rcd, L_kd and L_cls once. Its section and
# equation numbers, layer, timestep and loss weights could not be read from public text, so this course calls the
# equations by their names; every number you see is measured here.
#
# Every face below is sampled from a statistical model. No photograph of a person is used.
#
# ## The method, and who made which student

# %%
import numpy as np

import gdrd_lab as gl
from gdrd_lab import course, plots

course.set_up()
course.show(course.method_figure())

# %% [markdown]
# ## What distillation is
# A **recogniser** is a network that turns a face into a vector, its **embedding**; two faces of one person should have nearly
# the same embedding. A **teacher** is a network that has learned something already. In **distillation** a **student** is trained
# to reproduce what the teacher computes: the loss is the difference between the two, and nobody's name is needed. Here the
# student sees less than the teacher. SFace reads the sharp face, the student the same face at 8 to 32 pixels a side.
#
# Each loss says what should be reproduced:
#
# - **L_gen**: the features inside the generative teacher, a diffusion model that draws a sharp face from a small one.
# - **L_kd**: the teacher's embedding of the face.
# - **L_rcd**: the relations between embeddings, for example that face 1 is nearer to face 2 than to face 3.
# - **L_cls**: the name of the person. This is not distillation, because it needs labels and no teacher.
# - **CRD**: which of many teacher embeddings belongs to this face. Only the assistant's training uses it.
#
# An **assistant** is a teacher between the two: SFace, trained on small faces. It is as large as SFace, and easier to imitate,
# because it reads the same small face as the student. The best student of this project has the assistant as teacher and no
# generative teacher. Lesson 06 asks whether the generative teacher helps.
#
# ## The result first
# SFace (made for 112 px) and the two students verify the same pairs while the faces shrink. Both faces of a pair have the same
# resolution. The bars are standard errors over 10 folds.

# %%
from gdrd_lab.evaluation.protocol import pair_scores, verify_embeddings

faces = gl.synthetic_faces(identities=30, per_identity=3, size=112, seed=0)
pairs = gl.random_pairs(faces.labels, folds=10, per_fold=15, seed=0)
teacher, student, paper_student = gl.load_models(["sface", "student", "paper-student"])
sizes, quiet = (8, 16, 32, 112), gl.EmbedOptions(progress=False)
embeddings = {
    network.name: {size: gl.embed_all(network, faces, gl.Degradation(size), quiet) for size in sizes}
    for network in (teacher, student, paper_student)
}
measured = []
for name, by_size in embeddings.items():
    accuracy = [verify_embeddings(by_size[size], by_size[size], pairs).accuracy for size in sizes]
    measured.append(plots.Curve(name, "", sizes, [a.mean for a in accuracy], [a.standard_error for a in accuracy]))
course.show(plots.accuracy_curves(measured, title="Synthetic faces, both of a pair at the same resolution"))

# %% [markdown]
# These are 30 people and a few dozen pairs per fold, so the bars are wide. The synthetic faces are a teaching set; results
# on real faces (LFW) are in the README, made by `gdrd evaluate --data lfw`.
#
# ## What a recogniser is given
# A face of $r \times r$ pixels is $3r^2$ numbers: 37,632 at 112 px, 768 at 16 px, 192 at 8 px. Each pixel of the small
# face averages many pixels of the sharp one. `downscale` uses bicubic interpolation with antialiasing: the kernel
# widens as the face shrinks, so that no pixel is skipped.

# %%
from gdrd_lab.evaluation.compare import shown

course.source(gl.downscale)
rows = {f"{size} px": [shown(faces[k], size, 112) for k in (0, 1, 3, 4, 6, 7)] for size in (112, 32, 16, 8)}
course.show(plots.face_strip(rows, ["A1", "A2", "B1", "B2", "C1", "C2"], title="Three people, two faces each"))

# %% [markdown]
# Move the slider: the pair of faces, and the two networks' scores for it. (On GitHub, in `executed/`, and on the HTML
# site you see one position of it.)

# %%
SIZES = (6, 8, 12, 16, 24, 32, 64, 112)
scored = gl.compare(faces[0], faces[1], [teacher, student], SIZES)


def pair_at(size):
    """Draw one genuine pair at a resolution, its scores above."""
    title = ", ".join(f"{name} {values[SIZES.index(size)]:.2f}" for name, values in scored.scores.items())
    return plots.face_strip({f"{size} px": [shown(faces[k], size, 112) for k in (0, 1)]}, title=title)


course.show_slider("resolution (px)", SIZES, pair_at, start=3)

# %% [markdown]
# ## A score
# The recogniser $f$ maps a face to a vector; the score of two faces is the cosine of their vectors,
#
# $$s(a, b) = \frac{f(a)\cdot f(b)}{\lVert f(a)\rVert\,\lVert f(b)\rVert}.$$
#
# `embed` returns vectors of unit length, so that a dot product is the cosine:

# %%
import torch

hr = gl.to_tensor([faces[k] for k in range(8)])
lr = gl.Degradation(16)(hr, seeds=range(8))
with torch.inference_mode():
    scores = (teacher.embed(hr) * teacher.embed(lr)).sum(1)
print("sharp face k against the same face at 16 px:", np.round(scores.numpy(), 2))

# %% [markdown]
# ## Predict, then run
# In an ideal embedding two *different* people score near 0. What is their mean score at 112 px, at 16 px and at 8 px?
# Move the sliders, then run the next cell. (Each starts at a stated default, so the notebook also runs without a guess.)

# %%
guess = course.predict(
    "Mean score of two DIFFERENT people, as SFace gives it",
    {"at 112 px": 0.05, "at 16 px": 0.05, "at 8 px": 0.05},
    low=-0.2,
    high=1.0,
    unit="mean cosine score of impostor pairs",
)

# %%
pair = {size: pair_scores(e, e, pairs) for size, e in embeddings[teacher.name].items() if size != 32}
guess.reveal({f"at {size} px": float(values[~pairs.genuine].mean()) for size, values in pair.items()})

# %% [markdown]
# Small faces are enlarged before SFace reads them, and enlarged faces are all blurred. Here the mean score of different people
# rises as the faces shrink. The scores of one person's faces change as well, as the next figures show. (The synthetic people are
# drawn from one model and look more alike than real people, so their scores are high at 112 px already.)
#
# ## A decision
# A pair is accepted when its score reaches a threshold $\theta$. The accuracy counts both kinds of pairs:
#
# $$\mathrm{acc}(\theta) = \frac1P\sum_{p}\left[\,[s_p \ge \theta] = g_p\,\right],\qquad
# \theta^{*} = \mathrm{arg\,max}_\theta \mathrm{acc}(\theta).$$

# %%
from gdrd_lab.evaluation.metrics.verification import best_threshold, lfw_accuracy

theta = {size: best_threshold(values, pairs.genuine) for size, values in pair.items()}
print({f"{size} px": round(value, 3) for size, value in theta.items()})
course.show(plots.score_histogram(pair[16], pairs.genuine, theta[16], title="SFace at 16 px"))

# %% [markdown]
# The best threshold moves with the resolution, and not in one direction. **A threshold chosen at one resolution may not suit
# another.** What does a wrong one cost? Keep the threshold of 112 px, and count both kinds of errors:

# %%
for size, values in pair.items():
    accepted = values >= theta[112]
    wrong = {"impostor pairs accepted": accepted[~pairs.genuine], "genuine pairs rejected": ~accepted[pairs.genuine]}
    print(f"{size:3} px:", ", ".join(f"{name} {share.mean():.3f}" for name, share in wrong.items()))

# %% [markdown]
# With the threshold of 112 px the cost at low resolution is genuine pairs that are rejected: their scores fall further than the
# scores of impostor pairs rise.
#
# $\theta^{*}$ above was chosen on the pairs that it is evaluated on, so its accuracy is too high. The LFW protocol evaluates
# each of ten folds at the best threshold of the other nine:
#
# $$\mathrm{accuracy} = \frac1{10}\sum_{f=1}^{10}\mathrm{acc}_f\left(\theta^{*}_{\text{other folds}}\right).$$

# %%
for size, values in pair.items():
    held_out = lfw_accuracy(values, pairs.genuine, pairs.fold)
    print(f"{size:3} px: held-out folds {held_out.mean:.3f} ± {held_out.standard_error:.3f}")

# %% [markdown]
# ## Exercises
# Fill in the stub, run the cell, run its check. Each hint says more than the one before; the solution is folded away.
#
# ### Exercise 1: average blocks of pixels
# *Medium, about 15 minutes.*
#
# The simplest correct way to shrink a face: each new pixel is the mean of a block of old ones.
#
# <details><summary>Hint 1</summary>
# A face of 112 px becomes 16 px: how many old pixels make one new one?
# </details>
# <details><summary>Hint 2</summary>
# Cut the last two dimensions into (size, block) each with reshape; then there are two dimensions to average over.
# </details>
# <details><summary>Hint 3</summary>
# After <code>faces.reshape(n, c, size, block, size, block)</code> the blocks lie along dimensions 3 and 5.
# </details>


# %% tags=["stub"]
def block_average(faces, size):
    """Reduce faces (N, 3, S, S) to (N, 3, size, size); S is a multiple of size."""
    raise NotImplementedError


# %% tags=["solution"]
def block_average(faces, size):
    """Reduce faces (N, 3, S, S) to (N, 3, size, size); S is a multiple of size."""
    count, colours, side, _ = faces.shape
    block = side // size
    return faces.reshape(count, colours, size, block, size, block).mean((3, 5))


# %% tags=["check"]
from gdrd_lab.course.checks.resolution import check_block_average

check_block_average(block_average)

# %% [markdown]
# ### Exercise 2: score pairs by cosine
# *Easy, about 10 minutes.*
#
# Your embeddings come without unit length here.
#
# <details><summary>Hint 1</summary>
# A cosine does not change when a vector is made longer.
# </details>
# <details><summary>Hint 2</summary>
# Each row is one embedding. Its length is <code>x.norm(dim=1)</code>.
# </details>
# <details><summary>Hint 3</summary>
# Multiply elementwise, sum over dim 1, divide by both lengths.
# </details>


# %% tags=["stub"]
def cosine_scores(first, second):
    """Return the cosine (N,) of each row of first (N, d) with the same row of second (N, d)."""
    raise NotImplementedError


# %% tags=["solution"]
def cosine_scores(first, second):
    """Return the cosine (N,) of each row of first (N, d) with the same row of second (N, d)."""
    return (first * second).sum(1) / (first.norm(dim=1) * second.norm(dim=1))


# %% tags=["check"]
from gdrd_lab.course.checks.resolution import check_cosine_scores

check_cosine_scores(cosine_scores)

# %% [markdown]
# ### Exercise 3: accuracy at a threshold
# *Easy, about 10 minutes.*
#
#
# <details><summary>Hint 1</summary>
# There are two ways to be right: accept a genuine pair, reject an impostor pair.
# </details>
# <details><summary>Hint 2</summary>
# <code>scores >= threshold</code> is an array of decisions. When is a decision right?
# </details>


# %% tags=["stub"]
def accuracy_at(scores, genuine, threshold):
    """Return the share of pairs decided rightly; scores and genuine are NumPy arrays (P,)."""
    raise NotImplementedError


# %% tags=["solution"]
def accuracy_at(scores, genuine, threshold):
    """Return the share of pairs decided rightly; scores and genuine are NumPy arrays (P,)."""
    return float(np.mean((scores >= threshold) == genuine))


# %% tags=["check"]
from gdrd_lab.course.checks.resolution import check_accuracy_at

check_accuracy_at(accuracy_at)

# %% [markdown]
# **Used at once.** By how much is the accuracy too high if a threshold is judged on the pairs that chose it? The next cell tries
# every score as a threshold, with your function.

# %%
from gdrd_lab.evaluation.metrics.verification import accuracy_at as library_accuracy

accuracy = course.yours(accuracy_at, check_accuracy_at, library_accuracy)


def chosen_on(values, rows):
    """The score that decides most of some pairs rightly."""
    return max(np.unique(values), key=lambda c: accuracy(values[rows], pairs.genuine[rows], c))


flattered, honest = {}, {}
for size, values in pair.items():
    flattered[size] = accuracy(values, pairs.genuine, chosen_on(values, slice(None)))
    folds = [pairs.fold == f for f in np.unique(pairs.fold)]
    honest[size] = np.mean([accuracy(values[f], pairs.genuine[f], chosen_on(values, ~f)) for f in folds])
shown_at = sorted(pair)
course.show(
    plots.lines(
        shown_at,
        {
            "threshold chosen on the same pairs": [flattered[size] for size in shown_at],
            "threshold chosen on the other folds": [honest[size] for size in shown_at],
        },
        x_label="resolution (pixels on a side)",
        y_label="accuracy of SFace",
        title="The price of choosing on the pairs that judge",
    )
)

# %% [markdown]
# ### Exercise 4: how far two groups of scores lie apart
# *Easy, about 10 minutes.*
#
# $$d' = \frac{\mu_g - \mu_i}{\sqrt{(\sigma_g^2 + \sigma_i^2)/2}}$$
# Genuine and impostor scores with $d' = 0$ cannot be told apart. Use variances that divide by the number of scores.
#
# <details><summary>Hint 1</summary>
# <code>scores[genuine]</code> and <code>scores[~genuine]</code> are the two groups.
# </details>
# <details><summary>Hint 2</summary>
# NumPy's <code>var()</code> divides by the number of values, as asked.
# </details>


# %% tags=["stub"]
def d_prime(scores, genuine):
    """Return d' of NumPy arrays scores (P,) and genuine (P,) bool."""
    raise NotImplementedError


# %% tags=["solution"]
def d_prime(scores, genuine):
    """Return d' of NumPy arrays scores (P,) and genuine (P,) bool."""
    same, other = scores[genuine], scores[~genuine]
    return float((same.mean() - other.mean()) / np.sqrt((same.var() + other.var()) / 2))


# %% tags=["check"]
from gdrd_lab.course.checks.resolution import check_d_prime

check_d_prime(d_prime)

# %% [markdown]
# ## The whole method, in miniature
# The first route of the drawing, with two teachers. Each step has a notebook of its own; here it runs once.
#
# **The generative teacher** (notebook 01) is a diffusion model for face super-resolution. $y$ is the sharp face, $c$ the
# small one enlarged to its size, and the number $s$ scales their difference, the residual $x_0$, to unit variance. At timestep
# $t$ the residual is mixed with Gaussian noise $\epsilon$; $\bar\alpha_t$ between 0 and 1 is the share of the residual. The network
# learns to predict the velocity $v$:
#
# $$x_0 = (y - c)/s,\qquad x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon,\qquad
# v = \sqrt{\bar\alpha_t}\,\epsilon - \sqrt{1-\bar\alpha_t}\,x_0 .$$
#
# **Stage 1** (notebook 02): $x^{lr}$ is the face at low resolution. The student's backbone $f$ with an adapter $A$, a small linear
# layer, regresses the features $g$ of that model's encoder; then the backbone is frozen:
#
# $$L_{gen} = \mathrm{mean}\,\left(A f(x^{lr}) - g(x^{lr})\right)^2 .$$
#
# **Stage 2** (notebook 03): the head learns from the discriminative teacher. $e^t_i$ is the teacher's embedding of sharp face $i$,
# $e^s_i$ the student's of the same small face. A relation vector $v_{ij} = W_2\,\mathrm{ReLU}(W_1(e_i - e_j))$ has two learned
# matrices $W_1$ and $W_2$; $v^t_{ij}$ is made of $e^t_i$ and $e^t_j$, and $v^{ts}_{ij}$ of $e^t_i$ and $e^s_j$. The critic
# $h(u, v) = \sigma(\cos(u, v)/\tau)$ with the logistic function $\sigma(x) = 1/(1 + e^{-x})$ and a temperature $\tau$ is the
# probability that two relations belong together:
#
# $$L_{rcd} = -\,\mathrm{mean}\log h(v^t_{ij}, v^{ts}_{ij}) - \mathrm{mean}\sum_{k \neq j}
# \log\left[1 - h(v^t_{ij}, v^{ts}_{ik})\right],$$
#
# together with $L_{kd}$ (one minus the cosine of $e^s_i$ and $e^t_i$) and $L_{cls}$. The `smoke` recipe takes 12 steps per stage: enough to see that everything runs,
# far too few for a useful student.

# %%
import tempfile
from pathlib import Path

from gdrd_lab.training.pipeline import train_all

with tempfile.TemporaryDirectory() as folder:
    out = Path(folder)
    recipe = gl.recipes.smoke()
    train_all(recipe, faces, out, teacher, progress=False)
    for stage in ("generative", "backbone", "head"):
        losses = course.losses(out, stage)
        told = {
            name: f"{losses[name][0]:.3f} -> {losses[name][-1]:.3f}"
            for name in losses
            if name not in ("step", "seconds")
        }
        print(stage, told)

# %% [markdown]
# One question remains before the next notebook: how much of the teacher's embedding is kept at each size? The mean cosine
# between the embedding of a sharp face and that of the same face at low resolution, by network:

# %%
reference = embeddings[teacher.name][112]
kept = {
    name: [float((by_size[size] * reference).sum(1).mean()) for size in sizes] for name, by_size in embeddings.items()
}
course.show(
    plots.accuracy_curves(
        [plots.Curve(name, "", sizes, values) for name, values in kept.items()],
        title="Similarity to the teacher's embedding of the sharp face",
        metric="Cosine to the teacher's sharp embedding",
        chance=None,
    )
)

# %% [markdown]
# ## Summary
# - For the teacher, a face of 16 x 16 pixels still tells people apart, one of 8 x 8 less so.
# - Genuine and impostor scores both move as faces shrink, so a threshold belongs to a resolution. The threshold of sharp faces
#   rejects genuine pairs of small ones.
# - A threshold must be chosen on other pairs than those that it is evaluated on.
# - The paper's method has two teachers: a generative one and a discriminative one. The shipped student has SFace and the
#   assistant as teachers, and no generative one.
#
# **Limits.** For teaching and research only. Error rates at these resolutions are far too high, and differ between groups
# of people, for any decision about a person. Super-resolution shows a plausible face, not the person's face.
#
# ## Questionnaire
# 1. How many numbers does a face of 16 x 16 pixels in colour hold, and what share of a 112 px face's is that?
# 2. Why does shrinking without antialias show patterns that are not in the face?
# 3. Why does the mean score of different people rise at 8 px, and which error grows most at the threshold of 112 px?
# 4. Why is the threshold of a fold chosen on the other folds?
# 5. Which of the two kinds of errors falls when the threshold is raised?
# 6. Which numbers in this notebook would change with another seed, and how would you say by how much?
#
# <details><summary>Answers</summary>
#
# 1. 768, and 768 of 37,632 is about 2 %.
# 2. Skipped pixels let fine stripes alias into coarse ones. Antialiasing averages them away first.
# 3. All enlarged faces are blurred alike, and SFace reads blur as similarity. The rejected genuine pairs grow most.
# 4. A threshold that may see the pairs on which it is judged fits their noise, so the accuracy comes out too high.
# 5. The false accepts fall. The false rejects rise.
# 6. All of them: the people and the pairs are drawn. Repeat with several seeds and state the standard deviation, or draw people with replacement (lesson 06).
#
# </details>
#
# ## Further reading
# - The paper: arXiv [2409.06371](https://arxiv.org/abs/2409.06371).
# - Huang et al., *Labeled Faces in the Wild* (UMass TR 07-49): the ten-fold protocol.
# - SFace: Zhong et al., *SFace: Sigmoid-Constrained Hypersphere Loss*, arXiv [2205.12010](https://arxiv.org/abs/2205.12010).
# - `data/FACE_MODEL.md` in this repository: how the synthetic faces are made, and their limits.
