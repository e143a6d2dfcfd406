# %% [markdown]
# # 05 Embeddings and attention across resolutions
#
# **Goals.** Look at embeddings on maps and know their limits; follow one identity from 112 to 8 px; compare networks with
# CKA; see where a network looks, and test whether the picture means anything.
#
# **Prerequisites.** Notebook 00. Vectors, eigenvalues.
#
# **Time.** About 1.5 minutes on 2 CPU cores; no GPU is used. Nothing is trained: the switch below loads the shipped student
# or one of your own.
# The exercises take about 65 minutes.
#
# **Student.** The shipped `student` (recipe `best`): pruned from the assistant, trained by L_kd on SFace's embeddings and on the
# assistant's. It skips stage 1, and L_rcd has no part in it. Set `STUDENT = "paper-student"` to look at one made in the paper's order.
#
# **Paper.** arXiv [2409.06371](https://arxiv.org/abs/2409.06371): the embeddings of its student and its teacher. The methods of
# looking are PCA, UMAP ([1802.03426](https://arxiv.org/abs/1802.03426)), CKA
# ([1905.00414](https://arxiv.org/abs/1905.00414), section 3) and HiResCAM
# ([2011.08891](https://arxiv.org/abs/2011.08891), section 3).
#
# ## The result first
# Twelve people, eight faces each, at 16 px, as the student embeds them, mapped by UMAP. Draw a lasso around some points: the
# gallery shows the faces chosen and, below each, its nearest neighbours **in the original space of the embeddings**.

# %%
import gdrd_lab as gl
from gdrd_lab import course, plots
from gdrd_lab.analysis.projection import pca_map, umap_map
from gdrd_lab.evaluation.compare import shown

course.set_up()
STUDENT = "student"  # the switch: or the folder of a student you trained
faces = gl.synthetic_faces(identities=12, per_identity=8, size=112, seed=0)
teacher, student = gl.load_model("sface"), gl.load_model(STUDENT)
quiet = gl.EmbedOptions(progress=False)
small = gl.embed_all(student, faces, gl.Degradation(16), quiet)
layout = umap_map(small, seed=0)
pictures = [shown(faces[k], 16, 64) for k in range(len(faces))]
course.LassoMap(layout.points, pictures, faces.labels, small, title="The student at 16 px, UMAP").show()

# %% [markdown]
# ## How far can a map be trusted?
# A map shows two of 128 dimensions. PCA is a projection onto two directions: two faces are never further apart on it than in the
# original space, but they can lie on one point of it and be far apart there. So what is apart on a PCA map is apart; what is near may
# not be near. Its share of the variance is
#
# $$\frac{\lambda_1 + \lambda_2}{\sum_k \lambda_k}$$
#
# with the variance $\lambda_k$ along direction $k$.
#
# UMAP bends space so that neighbours stay neighbours; sizes of gaps and of clusters mean nothing on it. Two numbers keep both
# honest: **trustworthiness** (1: no two faces are near on the map that are not near in the original space), and for UMAP the
# **agreement of two seeds** (share of the nearest neighbours on one map that are so on the other).

# %%
import numpy as np
import torch

from gdrd_lab.analysis.projection import seed_agreement, trustworthiness

flat = pca_map(small)
again = umap_map(small, seed=1)
course.show(plots.map_figure(flat.points, faces.labels, title="The same embeddings, PCA"))
apart, apart_on_map = (np.linalg.norm(x[:, None] - x[None], axis=2) for x in (small, flat.points))
print(f"pairs that are further apart on the PCA map than in the original space: {(apart_on_map > apart + 1e-4).sum()}")
print(f"PCA shows {flat.model.explained_variance_ratio_.sum():.0%} of the variance")
print(
    f"trustworthiness: PCA {trustworthiness(small, flat.points):.2f}, UMAP {trustworthiness(small, layout.points):.2f}"
)
print(f"agreement of two UMAP seeds: {seed_agreement(layout.points, again.points):.2f}")
course.source(trustworthiness)

# %% [markdown]
# ## One face from 112 to 8 px
# A map fitted on sharp faces; one face is embedded at each resolution and placed on the same map. If a network did not
# depend on resolution, the path would be a point.

# %%
from gdrd_lab.analysis.projection import across_resolutions

SIZES = (112, 64, 32, 24, 16, 12, 8)
hr = {network.name: gl.embed_all(network, faces, options=quiet) for network in (teacher, student)}
paths = {}
for network in (teacher, student):
    plane = pca_map(hr[network.name])
    path = across_resolutions(network, faces[0], SIZES)
    paths[network.name] = path
    title = f"{network.name}: sharp faces (points), face 0 from 112 to 8 px (line, star at 8 px)"
    course.show(plots.map_figure(plane.points, faces.labels, title=title, path=plane.place(path)))

# %% [markdown]
# The map shows a path in two of 128 dimensions. In all of them: the cosine of each step to the sharp face of the same
# network, which needs no map.

# %%
course.show(
    plots.lines(
        SIZES,
        {name: path @ path[0] for name, path in paths.items()},
        x_label="resolution (pixels on a side)",
        y_label="cosine to its own sharp embedding",
        title="Similarity of one face to its sharp version",
    )
)

# %% [markdown]
# A short path alone is not a merit: a network that gives every face the same embedding has the shortest path. Notebook 06
# measures whether people stay apart.
#
# ## Are two networks alike inside?
# CKA compares two representations of the same faces, whatever their widths, by how they lay the faces out:
#
# $$\mathrm{CKA} = \frac{\lVert Y^{\top}X\rVert_F^2}{\lVert X^{\top}X\rVert_F\,\lVert Y^{\top}Y\rVert_F},\qquad
# X, Y \text{ centred}.$$
#
# **Predict, then run:** the teacher on sharp faces against (a) the student at 16 px, (b) the teacher at 16 px, and (c) the
# student with its faces *shuffled*, which removes any correspondence.

# %%
guess = course.predict(
    "CKA with the teacher on sharp faces (96 faces)",
    {"student, 16 px": 0.8, "teacher, 16 px": 0.6, "student, shuffled": 0.0},
    unit="linear CKA",
)

# %%
from gdrd_lab.analysis.cka import linear_cka

reference = hr[teacher.name]
shuffled = small[np.random.default_rng(0).permutation(len(small))]
teacher_small = gl.embed_all(teacher, faces, gl.Degradation(16), quiet)
cka = {
    "student, 16 px": linear_cka(small, reference),
    "teacher, 16 px": linear_cka(teacher_small, reference),
    "student, shuffled": linear_cka(shuffled, reference),
}
guess.reveal(cka)

# %% [markdown]
# If the shuffled one surprised you: with few faces and many dimensions, CKA is well above 0 even for unrelated
# representations. A CKA value means something only beside such a baseline, at the same number of faces:

# %%
counts = (12, 24, 48, 96)
order = np.random.default_rng(1).permutation(len(faces))
course.show(
    plots.lines(
        counts,
        {
            "right order": [linear_cka(small[order[:n]], reference[order[:n]]) for n in counts],
            "shuffled": [linear_cka(small[order[:n]], reference[np.roll(order[:n], 1)]) for n in counts],
        },
        x_label="number of faces",
        y_label="CKA of student (16 px) and teacher (sharp)",
        title="CKA needs a baseline",
    )
)

# %% [markdown]
# ## Where does it look?
# A class activation map shows how much each place of a feature map $A$ adds to the score $s = f(A)\cdot t$, with $t$ the
# face's own unit embedding:
#
# $$M_{ij} = \max\left(0, \sum_c A_{cij}\,\frac{\partial s}{\partial A_{cij}}\right).$$
#
# The dot product and not the cosine: the gradient of a vector's cosine with itself is zero.

# %%
from gdrd_lab.analysis.cam import class_activation_map, with_random_weights

course.source(class_activation_map)
face = gl.to_tensor([faces[0]])
columns = (112, 32, 16, 8)
untrained = with_random_weights(student)
made = {}
for name, network in (("teacher", teacher), ("student", student), ("random weights", untrained)):
    made[name] = [
        plots.overlay(shown(faces[0], size, 112), class_activation_map(network, gl.downscale(face, size))[0])
        for size in columns
    ]
course.show(
    plots.face_strip(made, [f"{size} px" for size in columns], title="Class activation maps; bright adds to the score")
)


def map_at(size):
    """Draw the face and both networks' maps at a resolution."""
    lr = gl.downscale(face, size)
    images = [
        plots.overlay(shown(faces[0], size, 112), class_activation_map(network, lr)[0])
        for network in (teacher, student)
    ]
    return plots.face_strip({f"{size} px": [shown(faces[0], size, 112), *images]}, ["face", "teacher", "student"])


course.show_slider("resolution (px)", (112, 64, 32, 24, 16, 12, 8), map_at, start=4)

# %% [markdown]
# ## Does the picture mean anything?
# A map can look right and still not explain the network. Two tests:
#
# 1. **Random weights.** If a network that never learned gives a similar map, the map shows the face, not the network.
# 2. **Deletion.** Remove pixels, the brightest on the map first, and follow the score. If the map is right, the score
#    falls faster than with a random order: the area under the curve is smaller.

# %%
from gdrd_lab.analysis.cam import deletion, rank_agreement

lr = gl.downscale(face, 32)
maps = {
    "student's map": class_activation_map(student, lr)[0],
    "random weights' map": class_activation_map(untrained, lr)[0],
}
generator = torch.Generator().manual_seed(0)
orders = maps | {"random order": torch.rand(32, 32, generator=generator)}
course.show(
    plots.curves_figure(
        {name: deletion(student, lr[0], saliency) for name, saliency in orders.items()}, title="One face, 32 px"
    )
)
agreement = rank_agreement(maps["student's map"], maps["random weights' map"])
print(f"rank correlation of the student's map with that of random weights: {agreement:.2f}")

# %% [markdown]
# One face is not enough. Eight faces, one of each of eight people, with the standard error over faces:

# %%
areas = {name: [] for name in ("student's map", "random weights' map", "random order")}
for person in range(8):
    lr = gl.downscale(gl.to_tensor([faces[8 * person]]), 32)
    orders = (
        class_activation_map(student, lr)[0],
        class_activation_map(untrained, lr)[0],
        torch.rand(32, 32, generator=generator),
    )
    for name, saliency in zip(areas, orders, strict=True):
        areas[name].append(deletion(student, lr[0], saliency).area)
course.show(
    plots.bars(
        {name: float(np.mean(values)) for name, values in areas.items()},
        errors={name: float(np.std(values, ddof=1) / np.sqrt(8)) for name, values in areas.items()},
        y_label="area under the deletion curve (8 faces, standard error)",
        title="Lower is better",
    )
)

# %% [markdown]
# ## Exercises
# ### Exercise 1: how much variance a map shows
# *Medium, about 15 minutes.*
#
# <details><summary>Hint 1</summary>
# Centre the rows, then np.linalg.svd(x, compute_uv=False) gives singular values.
# </details>
# <details><summary>Hint 2</summary>
# A variance is the square of a singular value (up to a factor that cancels).
# </details>


# %% tags=["stub"]
def shown_variance(embeddings):
    """Return the share of the variance of embeddings (N, d) along their two main directions."""
    raise NotImplementedError


# %% tags=["solution"]
def shown_variance(embeddings):
    """Return the share of the variance of embeddings (N, d) along their two main directions."""
    values = np.linalg.svd(embeddings - embeddings.mean(0), compute_uv=False) ** 2
    return float(values[:2].sum() / values.sum())


# %% tags=["check"]
from gdrd_lab.course.checks.embeddings import check_shown_variance

check_shown_variance(shown_variance)

# %% [markdown]
# ### Exercise 2: neighbours a map keeps
# *Hard, about 25 minutes.*
#
# Of the k nearest by cosine, how many are among the k nearest on the map? Average over faces.
# <details><summary>Hint 1</summary>
# Fill the diagonal with -inf (cosines) or inf (distances), so that a face is not its own neighbour.
# </details>
# <details><summary>Hint 2</summary>
# np.argsort along axis 1; compare the first k of each row as sets.
# </details>


# %% tags=["stub"]
def kept_neighbours(embeddings, points, k):
    """Return the mean share of the k nearest by cosine (unit embeddings) that are k nearest on the map (N, 2)."""
    raise NotImplementedError


# %% tags=["solution"]
def kept_neighbours(embeddings, points, k):
    """Return the mean share of the k nearest by cosine (unit embeddings) that are k nearest on the map (N, 2)."""
    cosine = embeddings @ embeddings.T
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(cosine, -np.inf)
    np.fill_diagonal(distance, np.inf)
    near, near_on_map = np.argsort(-cosine, 1)[:, :k], np.argsort(distance, 1)[:, :k]
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(near, near_on_map, strict=True)]))


# %% tags=["check"]
from gdrd_lab.course.checks.embeddings import check_kept_neighbours

check_kept_neighbours(kept_neighbours)

# %% [markdown]
# ### Exercise 3: linear CKA
# *Medium, about 15 minutes.*
#
# <details><summary>Hint 1</summary>
# Subtract the mean of each column from both.
# </details>
# <details><summary>Hint 2</summary>
# np.linalg.norm of a matrix is the Frobenius norm.
# </details>


# %% tags=["stub"]
def cka(x, y):
    """Return the linear CKA of x (N, p) and y (N, q)."""
    raise NotImplementedError


# %% tags=["solution"]
def cka(x, y):
    """Return the linear CKA of x (N, p) and y (N, q)."""
    x, y = x - x.mean(0), y - y.mean(0)
    return float(np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)))


# %% tags=["check"]
from gdrd_lab.course.checks.embeddings import check_cka

check_cka(cka)

# %% [markdown]
# **Used at once.** From which resolution on does each network lay the faces out as the teacher does on sharp ones? Your function
# measures it, beside the baseline of shuffled faces.

# %%
alike = course.yours(cka, check_cka, linear_cka)
widths, series = (8, 16, 32, 64), {}
for network in (teacher, student):
    embedded = [gl.embed_all(network, faces, gl.Degradation(width), quiet) for width in widths]
    series[network.name] = [alike(e, reference) for e in embedded]
    series[f"{network.name}, shuffled"] = [alike(e[order], reference) for e in embedded]
course.show(
    plots.lines(
        widths,
        series,
        x_label="resolution (pixels on a side)",
        y_label="CKA with the teacher on sharp faces",
        title="How alike, by resolution",
    )
)

# %% [markdown]
# ### Exercise 4: a deletion score
# *Easy, about 10 minutes.*
#
# <details><summary>Hint 1</summary>
# np.diff gives the widths of the steps.
# </details>
# <details><summary>Hint 2</summary>
# The mean height of a step is (scores[1:] + scores[:-1]) / 2.
# </details>


# %% tags=["stub"]
def deletion_score(fractions, scores):
    """Return the area under scores (K,) over rising fractions (K,) by the trapezoid rule."""
    raise NotImplementedError


# %% tags=["solution"]
def deletion_score(fractions, scores):
    """Return the area under scores (K,) over rising fractions (K,) by the trapezoid rule."""
    return float((np.diff(fractions) * (scores[1:] + scores[:-1]) / 2).sum())


# %% tags=["check"]
from gdrd_lab.course.checks.embeddings import check_deletion_score

check_deletion_score(deletion_score)

# %% [markdown]
# ## Summary
# - A map in two dimensions hides most of the space; report trustworthiness, and for UMAP the agreement of seeds.
# - Neighbours are looked up in the original space, never on the map.
# - CKA needs a shuffled baseline at the same number of faces.
# - An attention map is a claim; random weights and deletion test it.
#
# ## Questionnaire
# 1. What does the distance between two clusters on a UMAP map tell you?
# 2. A map's trustworthiness is 0.98. What may still be wrong with it?
# 3. Why is the path of a face across resolutions alone not a measure of quality?
# 4. Why is CKA of shuffled faces above zero?
# 5. Why is the map computed from the dot product and not from the cosine?
# 6. What do you conclude if deletion by your map is no faster than by a random order?
#
# <details><summary>Answers</summary>
#
# 1. Nothing. UMAP keeps neighbourhoods, not distances between clusters.
# 2. Neighbours of the original space may be torn apart, sizes and gaps may mean nothing, and another seed may give another map.
# 3. A network that gives every face the same embedding has the shortest path.
# 4. With fewer faces than dimensions, unrelated representations align by chance.
# 5. The cosine of a vector with itself is one whatever the face is, so its gradient is zero.
# 6. The map does not show what this network uses, however right it looks.
#
# </details>
#
# ## Further reading
# - McInnes, Healy and Melville, UMAP: arXiv [1802.03426](https://arxiv.org/abs/1802.03426).
# - Wattenberg, Viegas and Johnson, *How to Use t-SNE Effectively*, Distill 2016: what maps can seem to show.
# - Kornblith et al., CKA: arXiv [1905.00414](https://arxiv.org/abs/1905.00414).
# - Adebayo et al., sanity checks for saliency maps: arXiv [1810.03292](https://arxiv.org/abs/1810.03292).
# - Petsiuk, Das and Saenko, RISE, deletion: arXiv [1806.07421](https://arxiv.org/abs/1806.07421).
