# %% [markdown]
# # 06 Does it work?
#
# **Goals.** Choose a protocol; read a ROC curve with its uncertainty; run an ablation and a robustness sweep; look at
# failures; compare error rates between groups, and know what such a system must not be used for.
#
# **Prerequisites.** Notebook 00; 02 and 03 for the ablation.
#
# **Time.** About 2 minutes on 2 CPU cores. A GPU is used for the backbone alone (not timed).
# The exercises take about 65 minutes.
#
# **Student.** The shipped `student` (recipe `best`) in all figures but those of the ablation: pruned from the assistant, taught by the
# assistant and SFace, without stage 1 and without L_gen, L_rcd and L_cls. The ablation trains small students from random weights,
# among them the whole method in the paper's order.
#
# **Paper.** arXiv [2409.06371](https://arxiv.org/abs/2409.06371): its experiments verify, identify and retrieve 16 px faces
# and test occlusion and illumination. Its numbers could not be read from public text and are not repeated here; all
# numbers below are measured here, on the synthetic faces. Numbers on real faces: `README.md`.
#
# ## The result first
# ROC curves of teacher and student on 16 px faces: the share of genuine pairs accepted against the share of impostor pairs
# accepted, as the threshold moves.

# %%
import gdrd_lab as gl
from gdrd_lab import course, plots
from gdrd_lab.evaluation.protocol import verify_embeddings

course.set_up()
STUDENT = "student"  # the switch: or the folder of a student you trained
faces = gl.synthetic_faces(identities=24, per_identity=4, size=112, seed=2)
pairs = gl.random_pairs(faces.labels, folds=6, per_fold=24, seed=0)
teacher, student = gl.load_model("sface"), gl.load_model(STUDENT)
networks = (teacher, student)
quiet = gl.EmbedOptions(progress=False)
at16 = {n.name: gl.embed_all(n, faces, gl.Degradation(16), quiet) for n in networks}
verified = {name: verify_embeddings(e, e, pairs, fars=(0.1,)) for name, e in at16.items()}
course.show(plots.roc_figure({name: result.roc for name, result in verified.items()}, title="Both faces at 16 px"))

# %% [markdown]
# $$\mathrm{FAR}(\theta) = \frac{\#\{\text{impostor pairs with } s \ge \theta\}}{\#\{\text{impostor pairs}\}},\qquad
# \mathrm{TAR}(\theta) = \frac{\#\{\text{genuine pairs with } s \ge \theta\}}{\#\{\text{genuine pairs}\}}.$$
#
# Move the threshold and see both error rates at once:

# %%
import numpy as np

result = verified[student.name]


def at_threshold(theta):
    """Draw the scores with a threshold; FAR and TAR in the title."""
    k = np.sum(result.roc.thresholds >= theta) - 1  # the curve holds both rates at every threshold, from high to low
    far, tar = result.roc.far[k], result.roc.tar[k]
    return plots.score_histogram(
        result.scores, result.genuine, theta, title=f"Student at 16 px: FAR {far:.3f}, TAR {tar:.3f}"
    )


places = np.quantile(result.scores, np.linspace(0.05, 0.95, 13)).round(3).tolist()
course.show_slider("threshold", places, at_threshold, start=6)

# %% [markdown]
# ## Protocols: what is compared with what
# - **Verification**: are these two the same person? In the *same-resolution* setting both faces are small, in the
#   *sharp-gallery* setting only the probe is.
# - **Identification**: who of the enrolled people is it (rank-1)? - **Retrieval**: are the person's other faces found first
#   (mAP)?
#
# One call measures all of them; each face is embedded once.

# %%
from gdrd_lab.evaluation import sweep

metrics = sweep.MetricConfig(pairs=pairs, fars=(0.1,), identification=True, retrieval=True, ks=(1,), bootstrap=50)
scores = sweep.sweep(networks, faces, sweep.resolutions([8, 16]), metrics, quiet)
wanted = ("accuracy", "AUC", "rank-1", "mAP")
for name in (n.name for n in networks):
    for setting in (sweep.Setting.SAME, sweep.Setting.GALLERY):
        for size in (8, 16):
            row = [s for s in scores if (s.method, s.setting, s.resolution) == (name, setting, size)]
            values = (f"{s.metric} {s.value:.3f} ± {s.spread:.3f}" for s in row if s.metric in wanted)
            if row:
                print(f"{name:8} {setting:16} {size:3} px: {', '.join(values)}")

# %% [markdown]
# ## How sure are we?
# With 24 people, a score of 0.9 might have been 0.85 with other people. The bootstrap draws the data with replacement
# and measures the spread. But what should be drawn? Pairs share people, so they are not independent. Drawing **pairs** treats
# them as independent; drawing **people** (a person drawn $w$ times brings $w$ copies of all their pairs) does not.
#
# **Predict, then run:** how wide is the 95 % interval of the student's AUC at 16 px, each way?

# %%
guess = course.predict(
    "Width of the 95 % interval of the AUC",
    {"drawing pairs": 0.05, "drawing people": 0.05},
    high=0.1,
    step=0.001,
    unit="high end less low end",
)

# %%
from gdrd_lab.evaluation.metrics import verification

people = np.stack([faces.labels[pairs.first], faces.labels[pairs.second]], 1)
draws = {
    "drawing pairs": verification.bootstrap(verification.auc, result.scores, result.genuine, samples=300),
    "drawing people": verification.bootstrap(
        verification.auc, result.scores, result.genuine, identities=people, samples=300
    ),
}
intervals = {name: verification.interval(values) for name, values in draws.items()}
guess.reveal({name: high - low for name, (low, high) in intervals.items()})
print({name: f"{low:.3f} to {high:.3f}" for name, (low, high) in intervals.items()})
course.source(verification.bootstrap)

# %% [markdown]
# ## Ablation: which part matters?
# An ablation changes **one** thing at a time, and every row gets the same training. A small one, as in notebook 03: the head learns for
# 60 steps on a frozen backbone, which is random or was trained by L_gen for 80 steps in stage 1. If stage 1 wins, does that show that
# L_gen helps? **No:** the rows differ in two things, because the second had 80 steps more. What else could be done with these 80 steps?
# The **fair control** trains the whole network by L_kd alone, without any generative teacher, for the same 140 steps of 32 faces.
#
# **Predict, then run:** the mean cosine to SFace's embedding of the sharp face, on people whom no row has seen.

# %%
guess = course.predict(
    "Cosine to the teacher on people who were not seen",
    {"random, frozen, L_kd": 0.2, "L_gen, frozen, L_kd": 0.3, "whole network, L_kd": 0.3},
    high=0.6,
    unit="mean cosine",
)

# %%
import torch

data = course.lesson_faces()  # people 0 to 44 are trained on; people 45 to 59 only judge
recipe = course.lesson_recipe()
trained = course.train_backbone(recipe, data.training)[0].backbone
first, second = recipe.backbone.loop.steps, 60
learn, held_out = data.learn, data.held_out


def score(network, inputs, steps, seed):
    """Train a network by L_kd on the training people; return its mean cosine to the teacher on the people who judge."""

    def kd(student, teacher, labels):
        return gl.losses.cosine_distillation_loss(student, teacher)

    course.fit_head(
        network, inputs[learn], data.targets[learn], data.labels[learn], kd, steps=steps, batch_size=32, seed=seed
    )
    judged = (inputs[held_out], data.targets[held_out], data.faces.labels[held_out])
    return course.evaluate_head(network, *judged)["cosine to teacher"]


def fresh(seed):
    """A student with the first weights of a seed, the same ones for every row."""
    torch.manual_seed(seed)
    return gl.Student(recipe.student).eval()


rows = {name: {} for name in guess.defaults}
for seed in range(3):
    for name, backbone in (("random, frozen, L_kd", fresh(seed).backbone), ("L_gen, frozen, L_kd", trained)):
        with torch.no_grad():
            features = backbone(data.lr)
        rows[name][seed] = score(fresh(seed).head, features, second, seed)
print({name: {seed: round(value, 3) for seed, value in values.items()} for name, values in rows.items() if values})

# %% [markdown]
# This is the comparison with less training, by seed. Now the fair control:

# %%
for seed in range(3):
    whole = torch.nn.Sequential(fresh(seed).backbone, fresh(seed).head)
    rows["whole network, L_kd"][seed] = score(whole, data.lr, first + second, seed)
guess.reveal({name: float(np.mean(list(values.values()))) for name, values in rows.items()})
change = plots.paired_differences(rows, "whole network, L_kd")
label = "cosine less that of the whole network by L_kd: mean of 3 seeds"
course.show(plots.paired_figure(change, y_label=label, title=f"{first + second} steps, with and without L_gen"))

# %% [markdown]
# Against the random backbone L_gen seems to help a great deal. Against the control that had the same steps, what is left? The steps of
# stage 1 are better spent on the loss that is judged, or they are not: the second figure says which. A comparison is only as fair as
# its control.
#
# ## Does it help, when, and why not?
# Here is the ablation of the project: real faces (CelebA, people of the test not trained on), students from random weights, three
# seeds. Each bar is the mean difference from a reference row at the same seed and the same number of steps, with its 95 % interval.
# Whiskers that leave out zero show a difference. Two generative teachers are compared. The shipped one was trained with two identity
# losses (lesson 01). The "earlier generative teacher" is the same network before that: it had the denoising loss alone.
#
# The first figures show the rows that decide (`gdrd ablate --config converged`, 2,000 steps of 32 faces): what they gain over the same
# losses without L_gen, and over L_rcd alone, the best row without a generative teacher. The row that learns from class labels alone is
# not drawn: it stayed near chance (53 %), and two seeds of it leave an interval wider than all the others. The last two show the first, short ablation
# (`gdrd ablate --config cpu`, 240 steps of 64 faces) over L_kd alone. Its generative teachers had the denoising loss alone; "trained
# on" means one that was trained further before it taught.
#
# **Predict:** which bars will leave out zero?

# %%
longer = course.ablation_runs(resolution=16, name="converged-ablation")
del longer["class labels only (L_cls)"]
for reference in ("L_kd + L_rcd + L_cls, no L_gen", "L_rcd only"):
    label = "verification accuracy less that of the reference: mean of the seeds"
    part = plots.paired_differences(longer, reference)
    course.show(plots.paired_figure(part, y_label=label, title=f"2,000 steps, against {reference}"))
    better = [row for row, (mean, reach) in part.items() if row.startswith("L_gen") and mean > reach]
    print(f"with L_gen and clearly above {reference}:", better)

runs = course.ablation_runs(resolution=16)
change = plots.paired_differences(runs, "L_kd only")
label = "verification accuracy less that of L_kd only: mean of the seeds"
for title, variant in (("240 steps: the losses", False), ("240 steps: variants of the paper's row", True)):
    part = {name: difference for name, difference in change.items() if name.startswith("...") == variant}
    course.show(plots.paired_figure(part, y_label=label, title=title))
generative = [name for name in change if "L_gen" in name or name.startswith("...")]
generative.remove("L_kd + L_rcd + L_cls, no L_gen")
better = [name for name, (mean, reach) in change.items() if name in generative and mean > reach]
print(f"{len(better)} of {len(generative)} short rows with a generative teacher are clearly above L_kd alone:", better)

# %% [markdown]
# Answer in your own words, with the figures as evidence:
#
# 1. **Does it help?** Compare the paper's row with the same losses without L_gen, and with the best row without a generative teacher.
# 2. **When?** Compare the two generative teachers, and a frozen backbone with one that is not. With so many rows, how many would you
#    expect to leave out zero by chance? (A 95 % interval misses in one case of twenty.)
# 3. **Why?** Use lessons 01 and 02: is identity easier to read in the features of either teacher than in pixels? Where did this
#    identity come from, and which faces did it see?
#
# <details><summary>One answer</summary>
#
# With the shipped teacher it helps: the paper's row, frozen backbone and all, is the best of the long ablation at 16 px, some points
# above the same losses without L_gen. With the earlier teacher, the same network before the identity losses, no gain can be told. So
# it is not the diffusion that helps. A linear map reads more identity from the shipped teacher's features than from pixels, and no
# more from the earlier one's (heat map of lesson 01). The identity was put there by two discriminative networks, SFace and the
# assistant, on nearly four times as many faces as the rows see. Whether the same knowledge would help as much without a generative
# teacher between was not measured, and is a capstone (`CLAIM.md`). Where the start knows more than these features, there is nothing to
# gain: `student-paper` begins as `student` and ends a little below it, and L_gen beside the losses of the recipe `best` changes nothing
# that can be told in 250 steps (`gdrd ablate --config best`, results page).
#
# In the short ablation the paper's row is not clearly above L_kd alone, while rows with another *discriminative* signal (CRD, the
# assistant) are. The variants that stand out with its first generative teacher do not stand out with the second, which had more
# training. That is what chance looks like, and what too few steps look like. All this is measured at this project's size.
#
# </details>
#
# Rows with a worse result stay in the table.
#
# ## Robustness
# The paper tests occlusion and illumination. One severity changes at a time; each face is degraded with its own seed, so that
# both networks see the same degradation.

# %%
verify_only = sweep.MetricConfig(pairs=pairs, fars=(0.1,), bootstrap=0)
base = gl.Degradation(16)
for name, values in (("occlusion", (0.0, 0.2, 0.4)), ("illumination", (0.0, 0.45, 0.9))):
    degraded = sweep.sweep(
        networks,
        faces,
        sweep.severities(base, name, values),
        verify_only,
        quiet,
        settings=[sweep.Setting.SAME],
    )
    series = {
        network.name: [s.value for s in degraded if (s.method, s.metric) == (network.name, "accuracy")]
        for network in networks
    }
    course.show(
        plots.lines(
            values, series, x_label=name, y_label="verification accuracy (chance: 0.5)", title=f"16 px with {name}"
        )
    )

# %% [markdown]
# ### Break the student
# A camera does all of this at once: optics, sensor, compression, a poor resize and misalignment. Move the slider: blur, noise,
# compression and occlusion grow together. Where is the student no better than a coin?

# %%
strengths = (0.0, 0.25, 0.5, 0.75, 1.0)


def broken(strength):
    """The student's inputs at a strength of all degradations, and its accuracy there."""
    jpeg = round(95 - 75 * strength) if strength else None
    how = gl.Degradation(16, blur=4 * strength, noise=0.15 * strength, jpeg=jpeg, occlusion=0.3 * strength)
    (score,) = sweep.sweep([student], faces, [how], verify_only, quiet, settings=[sweep.Setting.SAME])[:1]
    shown_faces = gl.to_images(how(gl.to_tensor([faces[k] for k in range(6)]), seeds=range(6)))
    return plots.face_strip({"input": shown_faces}, title=f"Strength {strength:g}: accuracy {score.value:.2f}")


course.show_slider("strength", list(strengths), broken, start=2)

# %% [markdown]
# `gl.Degradation(camera=...)` draws such effects for each face by its seed, in two presets. The page
# `docs/cameras.md` shows each effect at five strengths.

# %%
through = {camera: gl.Degradation(16, camera=camera) for camera in ("clean", "webcam", "surveillance")}
seen = sweep.sweep(networks, faces, list(through.values()), verify_only, quiet, settings=[sweep.Setting.SAME])
bars = {f"{s.method}, {s.degradation['camera']}": s.value for s in seen if s.metric == "accuracy"}
course.show(plots.bars(bars, y_label="verification accuracy at 16 px", title="Synthetic faces through cameras"))

# %% [markdown]
# ### What training for cameras brought
# The student that shipped before saw clean small faces only. The shipped one was trained further, with a random camera for a part of
# the faces, and its weights are a mean of those before and after (`gdrd export --average-with`). The results of both on *real* people
# ship as numbers. **Predict** first: at which degradation does training help most, and what does it cost on clean faces?

# %%
from gdrd_lab.reports.conditions import severity_figure
from gdrd_lab.reports.markdown import of_severity

real = [s for s in course.shipped_scores("robustness") if s.method.startswith("student")]
for name in ("noise", "jpeg", "occlusion"):
    course.show(severity_figure(of_severity(real, name), name, "held-out people of CelebA"))

# %% [markdown]
# Training for cameras helps where there is a camera. Whether it costs accuracy on clean faces is in the left end of each figure, and on
# LFW in `data/RESULTS.md`, whose first table says which aims were met and which were missed.
#
# ## Failure cases
# The pairs with the largest errors of the student, and what is measurably unusual about them. (The faces can be shown because
# they are synthetic; for real data sets the app and the command line show text only.)

# %%
from gdrd_lab.evaluation.compare import shown
from gdrd_lab.evaluation.failures import describe, failures, image_statistics

found = failures(
    student.name,
    faces.name,
    pairs,
    at16[student.name],
    {teacher.name: gl.embed_all(teacher, faces, options=quiet)},
    describe(image_statistics(faces), pairs),
    resolution=16,
)
print(f"{found.errors} errors in {found.pairs} pairs")
for failure in found.hardest:
    said = f"{failure.kind}: score {failure.score:.2f}, threshold {failure.threshold:.2f}"
    print(f"{said}, teacher on sharp faces {failure.sharp:.2f}; {failure.words}")
worst = [failure.pair for failure in found.hardest][:6]
if worst:
    strip = {
        "first": [shown(faces[pairs.first[p]], 64, 112) for p in worst],
        "second": [shown(faces[pairs.second[p]], 64, 112) for p in worst],
        "first, 16 px": [shown(faces[pairs.first[p]], 16, 112) for p in worst],
        "second, 16 px": [shown(faces[pairs.second[p]], 16, 112) for p in worst],
    }
    course.show(plots.face_strip(strip, [failure.kind for failure in found.hardest][:6], title="Wrong at 16 px"))

# %% [markdown]
# ## Are errors equal for all groups?
# A deployed system has **one** threshold. If one group's impostor pairs score higher, its people are confused with one
# another more often, whatever the average is. So report false match rate and false non-match rate by group, at the common
# threshold, with intervals.
#
# The synthetic faces have no labels of sex, age or skin, and it would be wrong to guess them. As an example that anyone can
# measure, the groups here are thirds by *brightness of the image*. These are not demographic groups; the code is the same for
# them. With data that carry labels (such as UTKFace's, given by their makers), pass those labels instead.

# %%
from gdrd_lab.evaluation.metrics.groups import group_errors, pair_groups

brightness = image_statistics(faces)["brightness"]
groups = np.digitize(brightness, np.quantile(brightness, [1 / 3, 2 / 3]))
# All pairs of two faces, so that each third has enough of them.
first, second = np.triu_indices(len(faces), 1)
genuine = faces.labels[first] == faces.labels[second]
all_scores = (at16[student.name] @ at16[student.name].T)[first, second]
theta = verification.threshold_at_far(all_scores, genuine, 0.05)
names = ("dark", "middle", "bright")
for item in group_errors(all_scores, genuine, pair_groups(groups, first, second), theta):
    for kind, rate in (("false matches", item.false_match), ("false non-matches", item.false_non_match)):
        print(
            f"{names[item.group]:7} {kind:17}: {rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f}) of {rate.count} pairs"
        )

# %% [markdown]
# The threshold accepts 5 % of *all* impostor pairs. Pairs within a group are more alike than pairs across groups, so every
# group's rate can lie above 5 %: the average over mixed pairs is lower. (The intervals treat pairs as independent, so they are
# too narrow; draw people for better ones.)
#
# **With labels.** `gdrd benchmarks utkface` did the same with UTKFace's labels of age, sex and group, which a model guessed. One
# threshold for all accepts 0.1 % of all pairs of different photographs, at 16 px against full resolution. The results ship as numbers.

# %%
for network in ("student", "SFace"):
    rates = {m.name: m for m in course.shipped_metrics("utkface")[network] if m.name.startswith("clean, ")}
    rates = {name.split(", ")[1]: m for name, m in rates.items() if name.endswith(", FMR")}
    course.show(
        plots.bars(
            {name: 100 * m.value for name, m in rates.items()},
            errors={name: 100 * m.spread for name, m in rates.items()},
            y_label="pairs of different people accepted (%)",
            title=f"{network}, false matches within each group",
        )
    )

# %% [markdown]
# It shows how often a common threshold confuses people *within* a group. It does not show how often two photographs of one person are
# rejected, because nobody has a second photograph there, and the labels are guesses. The rates through cameras are in
# `data/RESULTS.md`.
#
# ## What it must not be used for
# - **Numbers.** At a false accept rate of 1 %, a search among 10,000 people returns about 100 strangers for every probe. Errors
#   at 16 px are far above what any decision about a person could bear.
# - **Invented detail.** A super-resolved face looks like evidence but is not evidence.
# - **Consent and law.** Searching people by face in public places is restricted or forbidden in many places. Faces are personal
#   data; the people shown should have agreed.
# - **Unequal harm.** Differences between groups can grow when images get worse. Measure them before a system is used.
# - **What it is for.** Teaching, research on distillation, and finding out how much a tiny image *still* reveals, which is a
#   reason to blur faces more strongly than one would think.
#
# ## Exercises
# ### Exercise 1: two rates
# *Easy, about 10 minutes.*
#
# <details><summary>Hint 1</summary>
# Each rate looks at one kind of pairs only.
# </details>
# <details><summary>Hint 2</summary>
# (scores >= threshold)[~genuine] holds the decisions on impostor pairs.
# </details>


# %% tags=["stub"]
def rates(scores, genuine, threshold):
    """Return (FAR, TAR) of NumPy arrays scores (P,) and genuine (P,) at a threshold."""
    raise NotImplementedError


# %% tags=["solution"]
def rates(scores, genuine, threshold):
    """Return (FAR, TAR) of NumPy arrays scores (P,) and genuine (P,) at a threshold."""
    accepted = scores >= threshold
    return float(accepted[~genuine].mean()), float(accepted[genuine].mean())


# %% tags=["check"]
from gdrd_lab.course.checks.evaluation import check_rates

check_rates(rates)

# %% [markdown]
# ### Exercise 2: a threshold chosen elsewhere
# *Hard, about 25 minutes.*
#
# For each fold, take the candidate that decides most pairs of the **other** folds rightly (the first of equals), and evaluate
# the fold with it. Return the mean over folds.
# <details><summary>Hint 1</summary>
# Loop over np.unique(fold); judged = fold == f.
# </details>
# <details><summary>Hint 2</summary>
# accuracy(rows, c) = np.mean((scores[rows] >= c) == genuine[rows]); np.argmax takes the first of equals.
# </details>


# %% tags=["stub"]
def held_out_accuracy(scores, genuine, fold, candidates):
    """Return the mean accuracy over folds, each at the candidate threshold that is best on the other folds."""
    raise NotImplementedError


# %% tags=["solution"]
def held_out_accuracy(scores, genuine, fold, candidates):
    """Return the mean accuracy over folds, each at the candidate threshold that is best on the other folds."""

    def accuracy(rows, threshold):
        return np.mean((scores[rows] >= threshold) == genuine[rows])

    found = []
    for f in np.unique(fold):
        judged = fold == f
        best = candidates[np.argmax([accuracy(~judged, c) for c in candidates])]
        found.append(accuracy(judged, best))
    return float(np.mean(found))


# %% tags=["check"]
from gdrd_lab.course.checks.evaluation import check_held_out_accuracy

check_held_out_accuracy(held_out_accuracy)

# %% [markdown]
# **Used at once.** Your function evaluates both networks, with 41 thresholds to choose from.

# %%
judge = course.yours(
    held_out_accuracy,
    check_held_out_accuracy,
    lambda scores, genuine, fold, candidates: verification.lfw_accuracy(scores, genuine, fold).mean,
)
choices = np.linspace(-0.2, 1, 41)
found = {}
for network in networks:
    for size in (8, 16, 32):
        e = at16[network.name] if size == 16 else gl.embed_all(network, faces, gl.Degradation(size), quiet)
        compared = (e[pairs.first] * e[pairs.second]).sum(1)
        found[f"{network.name}, {size} px"] = judge(compared, pairs.genuine, pairs.fold, choices)
course.show(plots.bars(found, y_label="accuracy at thresholds of other folds", title="Verification, both faces small"))

# %% [markdown]
# ### Exercise 3: resampling people
# *Medium, about 20 minutes.*
#
# People were drawn with repetition; `copies[p]` says how often person p came up. How often does each pair appear?
# <details><summary>Hint 1</summary>
# Each copy of one person meets each copy of the other.
# </details>
# <details><summary>Hint 2</summary>
# In a genuine pair both faces are of the same copy: np.where(first == second, ...).
# </details>


# %% tags=["stub"]
def pair_copies(first, second, copies):
    """Return how often each pair of people first (P,), second (P,) appears, given copies (people,)."""
    raise NotImplementedError


# %% tags=["solution"]
def pair_copies(first, second, copies):
    """Return how often each pair of people first (P,), second (P,) appears, given copies (people,)."""
    return np.where(first == second, copies[first], copies[first] * copies[second])


# %% tags=["check"]
from gdrd_lab.course.checks.evaluation import check_pair_copies

check_pair_copies(pair_copies)

# %% [markdown]
# ### Exercise 4: false matches by group
# *Easy, about 10 minutes.*
#
# <details><summary>Hint 1</summary>
# One threshold for all groups.
# </details>
# <details><summary>Hint 2</summary>
# The rows of a group's impostor pairs: (groups == g) & ~genuine.
# </details>


# %% tags=["stub"]
def group_false_match(scores, genuine, groups, threshold):
    """Return {group: false match rate} for the groups (P,) of the pairs, at one threshold."""
    raise NotImplementedError


# %% tags=["solution"]
def group_false_match(scores, genuine, groups, threshold):
    """Return {group: false match rate} for the groups (P,) of the pairs, at one threshold."""
    accepted = scores >= threshold
    return {int(g): float(accepted[(groups == g) & ~genuine].mean()) for g in np.unique(groups)}


# %% tags=["check"]
from gdrd_lab.course.checks.evaluation import check_group_false_match

check_group_false_match(group_false_match)

# %% [markdown]
# ## Summary
# - State the protocol before the number: both small or sharp gallery, which pairs, which threshold.
# - Draw people, not pairs, to state the uncertainty of a number.
# - An ablation changes one thing at equal training, pairs its seeds, and keeps rows with worse results. L_gen looks good against a
#   control with less training, and has to be judged against one with the same.
# - One threshold, many groups: report both error rates of each, with counts.
#
# ## Questionnaire
# 1. Which setting, same resolution or sharp gallery, describes a search among passport photographs?
# 2. Why is TAR at FAR 0.001 meaningless with 200 impostor pairs?
# 3. Why is an interval from drawing pairs too narrow?
# 4. What makes an ablation unfair although only one line of the configuration differs? What was unfair about the random backbone?
# 5. Why may every group's false match rate lie above the overall one?
# 6. A vendor reports 99 % accuracy. Which three questions do you ask?
#
# <details><summary>Answers</summary>
#
# 1. The sharp gallery: the passport photographs are sharp, the probe is small.
# 2. It allows 0.2 accepted impostor pairs. The threshold would follow from the single highest score.
# 3. Pairs share people and are correlated. Drawing them one by one treats them as independent.
# 4. One line can change the number of trained steps or what is trained at all. The random backbone had had no training, and was frozen.
# 5. Pairs within a group are more alike than mixed pairs, and the overall rate holds many mixed pairs.
# 6. For example: which pairs and which protocol? At which false accept rate, with which interval? On whom, and by group?
#
# </details>
#
# ## Further reading
# - Huang et al., *Labeled Faces in the Wild* (UMass TR 07-49).
# - Fogliato, Patil and Perona, intervals for error rates of face recognition: arXiv
#   [2306.01198](https://arxiv.org/abs/2306.01198).
# - Grother, Ngan and Hanaoka, *FRVT Part 3: Demographic Effects*, NISTIR 8280 (2019).
# - Buolamwini and Gebru, *Gender Shades*, FAT* 2018.
