# %% [markdown]
# # 07 Bring your own faces
#
# **Goals.** From a folder of photographs to aligned faces, scores, a fine-tuned student and a file that another program can
# run.
#
# **Prerequisites.** Notebook 00; 03 for fine-tuning, 06 for judging.
#
# **Time.** About 1 minute on 2 CPU cores. Fine-tuning uses a GPU where there is one (not timed).
# The exercises take about 75 minutes.
#
# **Student.** The shipped `student` (recipe `best`): pruned from the assistant, taught by the assistant and SFace, without stage 1.
# Here you train its head further, on its frozen backbone.
#
# **Paper.** Stage 2 of arXiv [2409.06371](https://arxiv.org/abs/2409.06371) on new people: L_rcd, L_kd and L_cls with the
# backbone frozen. The recipe's numbers are this project's.
#
# **The switch:** `FOLDER` is a folder that holds one folder of photographs per person (JPEG, PNG, WEBP and others). `None` uses
# example photographs of people who do not exist. Use photographs only of people who agreed. A photograph without a face is
# left out, and a line says so. A step that needs more people than the folder has runs on the example photographs.
#
# ## The result first
# The photographs, and the faces found in them, aligned to the same template.

# %%
import tempfile
from pathlib import Path

import gdrd_lab as gl
from gdrd_lab import course, plots

course.set_up()
FOLDER = None
temporary = tempfile.TemporaryDirectory(prefix="own-faces-")  # deleted in the last cell, or when the kernel ends
work, quiet = Path(temporary.name), gl.EmbedOptions(progress=False)
own = course.read_photographs(FOLDER, work)
some = range(0, len(own.files), max(1, len(own.files) // 6))[:6]
pictures = {
    "photograph": [own.photograph(k) for k in some],
    "aligned": [own.faces[k] for k in some],
}
course.show(plots.face_strip(pictures, title=f"{len(own.faces)} faces found; {len(own.left_out)} photographs left out"))

# %% [markdown]
# ## Alignment
# A detector (YuNet) finds five landmarks $p_k$; the similarity that brings them nearest to the template's $q_k$,
#
# $$\min_{a, b, t}\sum_{k=1}^{5}\left\lVert \begin{pmatrix} a & -b\\ b & a\end{pmatrix} p_k + t - q_k \right\rVert^2 ,$$
#
# maps the photograph. Every recogniser here expects exactly this template: **the scores of a face that is not aligned are
# wrong.**

# %%
import numpy as np
import torch

from gdrd_lab.alignment.template import similarity

course.source(similarity)
teacher, student = gl.load_model("sface"), gl.load_model("student")
aligned = gl.to_tensor(pictures["aligned"])
# The whole photograph squeezed to a square, as a program without alignment would do.
squeezed = torch.cat([gl.resize(gl.to_tensor([photograph]), 112) for photograph in pictures["photograph"]])
with torch.inference_mode():
    values = (teacher.embed(squeezed) * teacher.embed(aligned)).sum(1)
print("cosine of each face with itself, squeezed instead of aligned:", np.round(values.numpy(), 2))

# %% [markdown]
# ## What do tiny versions of these faces give?
# Slide: your faces, and the scores of all pairs at that resolution, as areas under the ROC curve (0.5 is chance).

# %%
from gdrd_lab.evaluation.compare import shown
from gdrd_lab.evaluation.metrics import verification

faces = course.with_pairs(own, work)
first, second = np.triu_indices(len(faces), 1)
genuine = faces.labels[first] == faces.labels[second]


def area(embeddings):
    """Area under the ROC curve of all pairs."""
    return verification.auc((embeddings @ embeddings.T)[first, second], genuine)


sizes = (8, 16, 32)
scored = {
    size: {n.name: area(gl.embed_all(n, faces, gl.Degradation(size), quiet)) for n in (teacher, student)}
    for size in sizes
}


def faces_at(size):
    """Draw some faces at a resolution with both networks' areas above."""
    title = ", ".join(f"{name} AUC {value:.3f}" for name, value in scored[size].items())
    return plots.face_strip(
        {f"{size} px": [shown(faces[k], size, 112) for k in range(0, len(faces), max(1, len(faces) // 8))][:8]},
        title=title,
    )


course.show_slider("resolution (px)", sizes, faces_at, start=1)

# %% [markdown]
# ## Predict, then run: does fine-tuning help?
# Fine-tuning can only help where the student still makes errors. The slider above shows what it makes of small faces that are only
# small. It was trained with random cameras too. **Hard light** is its weakest point: a lamp from the side throws a shadow over most
# of the face. The next figure shows these faces under one.
#
# Stage 2 continues from the shipped student: the backbone stays frozen, and the head learns for 60 steps to give, for *your* faces
# in such light, SFace's embeddings of the sharp faces. Some people are held out. What will the AUC of the **held-out people** be,
# before and after, in this light and without it?

# %%
from gdrd_lab.transforms.camera import Camera, Strength

lamp = Camera(resolution=16, shadow=Strength(1.0, 1.0, probability=1.0))  # a hard shadow on every face
clear, first_few = gl.Degradation(16), range(min(6, len(faces)))
through = {
    name: gl.to_images(degradation(gl.to_tensor([faces[k] for k in first_few]), seeds=first_few))
    for name, degradation in (("16 px", clear), ("16 px, hard light", lamp))
}
course.show(plots.face_strip(through, title="The same faces in even and in hard light"))
guess = course.predict(
    "AUC of held-out people at 16 px",
    {"hard light, before": 0.7, "hard light, after": 0.8, "even light, before": 0.95, "even light, after": 0.95},
    low=0.4,
    high=1.0,
    unit="area under the ROC curve",
)

# %%
from dataclasses import replace

from gdrd_lab.models.registry import shipped_student
from gdrd_lab.training.config import HeadConfig, LoopConfig
from gdrd_lab.training.pipeline import train_head

learn, held_out = course.split_people(own, work, 0.4, seed=0)
# Shifted and turned a little by augmentation; the learning rate is low, because the head is trained already.
tuning = HeadConfig(
    LoopConfig(60, min(16, len(learn)), 1e-3, ema=0.8, checkpoint_every=1000),
    resolutions=(12, 16),
    camera=lamp,
)
recipe = replace(gl.recipes.smoke(), student=student.config, head=tuning)
train_head(recipe, learn, work / "tuned", teacher, init_from=shipped_student(), progress=False)
tuned = gl.load_model(str(work / "tuned" / "student"))


def area_of(network, set_of_faces, degradation):
    """AUC of all pairs of a face set."""
    e = gl.embed_all(network, set_of_faces, degradation, quiet)
    a, b = np.triu_indices(len(e), 1)
    return verification.auc((e @ e.T)[a, b], set_of_faces.labels[a] == set_of_faces.labels[b])


found = {
    f"{name}, {when}": area_of(network, held_out, degradation)
    for name, degradation in (("hard light", lamp), ("even light", clear))
    for when, network in (("before", student), ("after", tuned))
}
guess.reveal(found)
on_learned = {when: area_of(network, learn, lamp) for when, network in (("before", student), ("after", tuned))}
print("people trained on, in hard light:", {when: round(value, 3) for when, value in on_learned.items()})
print(f"gain on held-out people: {found['hard light, after'] - found['hard light, before']:+.3f} in hard light, "
      f"{found['even light, after'] - found['even light, before']:+.3f} in even light")  # fmt: skip

# %% [markdown]
# A gain on the people trained on says little, because the head has seen them. A gain in hard light can cost accuracy in even
# light: the head forgets what it no longer sees. A few held-out people say little about either: draw people, as in notebook 06,
# before you accept a difference. With few photographs, fine-tuning adapts to the camera and the light; learning new *people* well takes
# thousands of them.
#
# ## Export
# Embeddings go to a parquet file, the network to a folder of safetensors, and to ONNX for programs without PyTorch. The ONNX
# file is compared with the original before you trust it.

# %%
from gdrd_lab.datasets.embedding_file import read_embeddings, write_embeddings
from gdrd_lab.export.check import compare as compare_export
from gdrd_lab.export.check import show as show_export
from gdrd_lab.export.onnx import export_onnx

tuned.save(work / "my-student")
table = work / "embeddings.parquet"
write_embeddings(table, faces, gl.embed_all(tuned, faces, gl.Degradation(16), quiet), "my student", 16)
keys, identities, vectors, metadata = read_embeddings(table)
print(len(keys), "rows of", vectors.shape[1], "numbers;", metadata)
file = export_onnx(tuned, work / "my-student.onnx")
show_export(compare_export(tuned, file, resolution=16, identities=12))
print(f"{file.stat().st_size / 1e6:.1f} MB")

# %% [markdown]
# The same from the command line:
#
# ```bash
# gdrd faces align photographs aligned
# gdrd train head --data aligned --config cpu --out run      # after `gdrd train backbone`, or `gdrd train all`
# gdrd embed aligned embeddings.parquet
# gdrd export --help
# ```
#
# ## Exercises
# ### Exercise 1: a similarity from landmarks
# *Hard, about 30 minutes.*
#
# Map `points` to `template` with a matrix [[a, -b, x], [b, a, y]] by least squares.
# <details><summary>Hint 1</summary>
# Each landmark gives two linear equations in (a, b, x, y): a p_x - b p_y + x = q_x and b p_x + a p_y + y = q_y.
# </details>
# <details><summary>Hint 2</summary>
# Stack ten rows and call np.linalg.lstsq. The order of rows must fit the order of the right-hand side.
# </details>
# <details><summary>Hint 3</summary>
# Rows for q_x: (p_x, -p_y, 1, 0); rows for q_y: (p_y, p_x, 0, 1).
# </details>


# %% tags=["stub"]
def similarity_matrix(points, template):
    """Return the least-squares similarity (2, 3) that maps points (5, 2) to template (5, 2)."""
    raise NotImplementedError


# %% tags=["solution"]
def similarity_matrix(points, template):
    """Return the least-squares similarity (2, 3) that maps points (5, 2) to template (5, 2)."""
    x, y = points.T
    one, zero = np.ones(len(points)), np.zeros(len(points))
    rows = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    a, b, right, down = np.linalg.lstsq(rows, np.concatenate([template[:, 0], template[:, 1]]), rcond=None)[0]
    return np.array([[a, -b, right], [b, a, down]])


# %% tags=["check"]
from gdrd_lab.course.checks.own_faces import check_similarity_matrix

check_similarity_matrix(similarity_matrix)

# %% [markdown]
# ### Exercise 2: hold out people
# *Medium, about 15 minutes.*
#
# <details><summary>Hint 1</summary>
# np.unique(labels) lists the people; draw round(share * people) of them.
# </details>
# <details><summary>Hint 2</summary>
# np.random.default_rng(seed).choice(..., replace=False), then np.isin.
# </details>


# %% tags=["stub"]
def hold_out(labels, share, seed):
    """Return a boolean mask (N,): True for all faces of a random share of the people."""
    raise NotImplementedError


# %% tags=["solution"]
def hold_out(labels, share, seed):
    """Return a boolean mask (N,): True for all faces of a random share of the people."""
    people = np.unique(labels)
    drawn = np.random.default_rng(seed).choice(people, round(share * len(people)), replace=False)
    return np.isin(labels, drawn)


# %% tags=["check"]
from gdrd_lab.course.checks.own_faces import check_hold_out

check_hold_out(hold_out)

# %% [markdown]
# ### Exercise 3: enrol people by their mean
# *Medium, about 15 minutes.*
#
# <details><summary>Hint 1</summary>
# Unit length first, so that each photograph counts alike.
# </details>
# <details><summary>Hint 2</summary>
# The mean of unit vectors is no unit vector.
# </details>


# %% tags=["stub"]
def enrol_mean(embeddings, labels):
    """Return (people, d): for each person 0, 1, ... the unit mean of their unit embeddings; input (N, d), any length."""
    raise NotImplementedError


# %% tags=["solution"]
def enrol_mean(embeddings, labels):
    """Return (people, d): for each person 0, 1, ... the unit mean of their unit embeddings; input (N, d), any length."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    means = np.stack([unit[labels == person].mean(0) for person in np.unique(labels)])
    return means / np.linalg.norm(means, axis=1, keepdims=True)


# %% tags=["check"]
from gdrd_lab.course.checks.own_faces import check_enrol_mean

check_enrol_mean(enrol_mean)

# %% [markdown]
# **Used at once.** Does it pay to enrol more than one photograph? At 16 px nearly every probe is found either way, so the faces
# are harder here: 8 px through a webcam. Each photograph is the probe in its turn, and your function makes the gallery of the
# person's others.

# %%
from gdrd_lab.losses import class_prototypes


def library_mean(embeddings, labels):
    """The library's mean directions, with the arguments of exercise 3."""
    return class_prototypes(torch.tensor(embeddings), torch.tensor(labels), labels.max() + 1).numpy()


enrol = course.yours(enrol_mean, check_enrol_mean, library_mean)
small = gl.embed_all(student, faces, gl.Degradation(8, camera="webcam"), quiet)
people, number = np.unique(faces.labels, return_inverse=True)  # numbered from 0
of_person = [np.flatnonzero(number == person) for person in range(len(people))]
hits = {"one photograph": [], "all but the probe": []}
for turn in range(min(map(len, of_person))):
    turned = [np.roll(rows, turn) for rows in of_person]
    probes, one = np.array([(rows[-1], rows[0]) for rows in turned]).T
    for name, rows in zip(hits, (one, np.concatenate([rows[:-1] for rows in turned])), strict=True):
        gallery = np.asarray(enrol(small[rows], number[rows]))
        hits[name].extend((small[probes] @ gallery.T).argmax(1) == number[probes])
title = f"Who is it, of {len(people)} people? {len(hits['one photograph'])} probes of 8 px"
found = {name: float(np.mean(hit)) for name, hit in hits.items()}
course.show(plots.bars(found, y_label="share of probes found at rank 1", title=title))

# %% [markdown]
# ### Exercise 4: who is it, or nobody?
# *Medium, about 15 minutes.*
#
# <details><summary>Hint 1</summary>
# probes @ gallery.T holds all scores; which row of the gallery is best?
# </details>
# <details><summary>Hint 2</summary>
# np.where(best score >= threshold, best row, -1).
# </details>


# %% tags=["stub"]
def who(probes, gallery, threshold):
    """Return for each unit probe (P, d) the best row of the unit gallery (G, d), or -1 below the threshold: (P,)."""
    raise NotImplementedError


# %% tags=["solution"]
def who(probes, gallery, threshold):
    """Return for each unit probe (P, d) the best row of the unit gallery (G, d), or -1 below the threshold: (P,)."""
    scores = probes @ gallery.T
    return np.where(scores.max(1) >= threshold, scores.argmax(1), -1)


# %% tags=["check"]
from gdrd_lab.course.checks.own_faces import check_who

check_who(who)

# %%
temporary.cleanup()  # faces do not stay behind

# %% [markdown]
# ## Summary
# - Alignment to the template comes first; without it every score is wrong.
# - Split by person, not by photograph.
# - Fine-tuning helps where the student still errs, here in hard light. Evaluate it on other people, and on what it was good
#   at before.
# - Compare an exported file with the original before using it.
#
# ## Questionnaire
# 1. Why does alignment use a similarity and not any affine map?
# 2. What leaks when photographs are split instead of people?
# 3. Why is the backbone frozen while the head is fine-tuned?
# 4. Why is a mean of embeddings normalised twice?
# 5. Why must a program be able to answer "nobody"?
# 6. What would you tell the people on your photographs before you start?
#
# <details><summary>Answers</summary>
#
# 1. A similarity keeps the shape of the face. A general affine map could stretch one face into another's shape.
# 2. The same person is in both parts, so the network is judged on people whom it has learned.
# 3. A few photographs would overwrite what the backbone learned from many.
# 4. First so that each photograph counts alike, then because a mean of unit vectors is shorter than one and cosines need unit length.
# 5. Most people whom a camera sees are not enrolled. Without that answer each of them is taken for somebody.
# 6. What is stored, for how long, what it is used for and how wrong it can be; that they may say no; and how to have it deleted.
#
# </details>
#
# ## Further reading
# - Umeyama, *Least-squares estimation of transformation parameters between two point patterns*, IEEE TPAMI 1991.
# - Wu et al., YuNet, Machine Intelligence Research 2023.
# - ONNX: [onnx.ai](https://onnx.ai).
