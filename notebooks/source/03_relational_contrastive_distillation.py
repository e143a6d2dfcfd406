# %% [markdown]
# # 03 Relational contrastive distillation
#
# **Goals.** Read relations between faces; build L_rcd from relation vectors, critic and negatives; see what temperature
# and the number of negatives do; compare with L_kd, RKD and CRD fairly.
#
# **Prerequisites.** Notebooks 00 and 02 (the backbone trained there is used if it is kept, and trained if not).
#
# **Time.** About 1.5 minutes on 2 CPU cores. A GPU is used for the backbone alone (not timed).
# The exercises take about 90 minutes.
#
# **Student.** The first figure shows the shipped `student` (recipe `best`): no stage 1, no L_rcd and no L_cls, but L_kd and the
# assistant's embedding. Beside it stands `student-paper`, which began as `student` and was then trained in the paper's order: stage 1,
# and with the backbone frozen the head by L_rcd, L_kd and L_cls. The heads that you train here stand on the small backbone of
# notebook 02.
#
# **Paper.** arXiv [2409.06371](https://arxiv.org/abs/2409.06371), the second distillation module: discriminative
# representation distillation with L_rcd, L_kd and L_cls. L_rcd comes from CRRCD (arXiv
# [2409.02555](https://arxiv.org/abs/2409.02555)). Temperature, sizes and weights are this project's choices.
#
# ## The result first
# Twelve faces of four people. Each matrix holds the cosines between all of them: the teacher on sharp faces, the teacher
# on 16 px faces, and both students on 16 px faces. Blocks on the diagonal are one person.

# %%
import numpy as np
import torch

import gdrd_lab as gl
from gdrd_lab import course, plots

course.set_up()
data = course.lesson_faces()  # people 0 to 44 are trained on; people 45 to 59 only judge
faces, lr, targets, labels = data.faces, data.lr, data.targets, data.labels
teacher, shipped, paper = gl.load_models(["sface", "student", "paper-student"])
some = [5 * person + k for person in range(4) for k in range(3)]
with torch.inference_mode():
    by_network = {
        "teacher, sharp": targets[some],
        "teacher, 16 px": teacher.embed(lr[some]),
        "student-paper, 16 px": paper.embed(lr[some]),
        "student, 16 px": shipped.embed(lr[some]),
    }
course.show(
    plots.matrices({name: (e @ e.T).numpy() for name, e in by_network.items()}, title="Relations between twelve faces")
)

# %% [markdown]
# Distillation can transfer single embeddings (L_kd: the student's embedding should equal the teacher's) or such *relations*
# (L_rcd: the student's embeddings should lie to each other as the teacher's do). The idea is that a small student cannot match every
# embedding, but may keep the relations. The last figure of this lesson tests it.
#
# ## A relation as a vector
# A cosine is one number. CRRCD uses a vector, made by a small network from the difference of two embeddings:
#
# $$v_{ij} = \frac{W_2\,\mathrm{ReLU}\left(W_1(e_i - e_j)\right)}{\lVert\cdot\rVert}.$$
#
# $e_i$ and $e_j$ are embeddings of 128 numbers, $W_1$ and $W_2$ matrices that are learned. There are two such networks: $F_t$ for teacher to teacher, $v^t_{ij} = F_t(e^t_i, e^t_j)$, and $F_{ts}$ **across
# resolutions**, from the teacher's sharp face to the student's small one, $v^{ts}_{ij} = F_{ts}(e^t_i, e^s_j)$.

# %%
torch.manual_seed(0)
relate = gl.losses.RelationModule(embedding_size=128)
v = relate(targets[0], targets[5])
print(
    f"length of a relation vector: {v.norm():.3f}, of i to j against j to i: cosine {v @ relate(targets[5], targets[0]):.2f}"
)

# %% [markdown]
# ## The critic
# The critic estimates the probability that two relation vectors belong together,
#
# $$h(u, v) = \sigma\!\left(\cos(u, v)/\tau\right).$$
#
# $\sigma(x) = 1/(1 + e^{-x})$ is the logistic function and $\tau > 0$ the temperature. (CRD's critic is
# $e^{\cos(u, v)/\tau} / (e^{\cos(u, v)/\tau} + N/M)$ with $N$ negatives of a set of $M$ faces, so that its value is a probability whatever
# $N$ is. CRRCD's critic, and this one, has no such term: its 1 stands in the place of $N/M$.)
#
# Slide the temperature: a small $\tau$ gives a sharp decision, a large one a soft decision. Note that $h$ only spans
# $\sigma(-1/\tau)$ to $\sigma(1/\tau)$.

# %%
cosines = np.linspace(-1, 1, 101)


def critic_at(tau):
    """Draw the critic over the cosine at a temperature."""
    h = torch.sigmoid(torch.from_numpy(cosines) / tau).numpy()
    drawn = {"h": h, "-log h (positive pair)": -np.log(h), "-log(1 - h) (negative pair)": -np.log1p(-h)}
    return plots.lines(cosines, drawn, x_label="cos(u, v)", y_label="value", title=f"The critic at temperature {tau}")


course.show_slider("temperature", (0.07, 0.1, 0.2, 0.5, 1.0), critic_at, start=3)

# %% [markdown]
# ## The loss
# The true pair's relations should match, the relation to any other face $k$ should not:
#
# $$L_{rcd} = -\,\mathrm{mean}_{ij}\log h(v^t_{ij}, v^{ts}_{ij}) - \mathrm{mean}_{ij}\sum_{k \neq j}
# \log\left[1 - h(v^t_{ij}, v^{ts}_{ik})\right].$$
#
# `RelationalContrastiveLoss` leaves out $k = i$ too, and where labels are given, faces of $j$'s identity are no negatives.
# The teacher's embeddings are detached; both relation networks train together with the student.

# %%
course.source(gl.losses.RelationalContrastiveLoss._chunk_sums)
torch.manual_seed(0)
rcd = gl.losses.RelationalContrastiveLoss(128, temperature=0.1)
with torch.inference_mode():
    student_embeddings = shipped.embed(lr)
    positive, negative = rcd.terms(student_embeddings[:32], targets[:32], labels[:32])
print(f"positive term {positive:.3f}, negative term {negative:.3f}, with untrained relation networks")

# %% [markdown]
# ## Together with L_kd and L_cls
# Stage 2 minimises $w_{rcd} L_{rcd} + w_{kd} L_{kd} + w_{cls} L_{cls}$ with three weights $w$. The second loss says where each
# embedding should be,
#
# $$L_{kd} = \mathrm{mean}_i\left(1 - \cos(e^s_i, e^t_i)\right),$$
#
# (The name is this project's. Hinton's knowledge distillation compares softened class probabilities; here embeddings are compared,
# which is closer to FitNets.) The third asks for the person's name, with a margin $m$ that makes it harder (ArcFace; $\theta_c$ is the
# angle to class $c$, $y$ the right class, $s$ a scale; faces without a label take no part):
#
# $$L_{cls} = -\log\mathrm{softmax}_y\left(s\cos(\theta_c + m\,[c = y])\right).$$

# %%

torch.manual_seed(0)
classes = gl.losses.ArcFace(classes=60, embedding_size=128)
with torch.inference_mode():
    kd = gl.losses.cosine_distillation_loss(student_embeddings[:32], targets[:32])
    cls = classes(student_embeddings[:32], labels[:32])
print(f"L_kd {kd:.3f}, L_cls {cls:.2f} with untrained class directions")

# %% [markdown]
# ## Predict, then run
# The negative term *sums* over $k$. With untrained relation networks, how large is it in batches of 8, 32 and 128 faces?
# (The same faces and labels; think of how many $k$ there are.)

# %%
guess = course.predict(
    "Negative term of L_rcd by batch size",
    {"8 faces": 10, "32 faces": 20, "128 faces": 40},
    low=0,
    high=200,
    step=1,
    unit="negative term",
)

# %%
order = np.random.default_rng(0).permutation(len(faces))
with torch.inference_mode():
    found = {}
    for count in (8, 32, 128):
        rows = torch.from_numpy(order[:count])
        found[f"{count} faces"] = float(rcd.terms(student_embeddings[rows], targets[rows], labels[rows])[1])
guess.reveal(found)

# %% [markdown]
# It grows about in proportion to the number of negatives. So the weight of L_rcd against L_kd and L_cls depends on batch
# and queue; `mean_over_negatives=True` takes the mean instead. More negatives than a batch holds come from a queue of
# earlier batches, whose memory grows with its length only (`NegativeQueue`).
#
# ## Against L_kd, RKD and CRD
# All train the same head on the same frozen backbone (of notebook 02), from the same start, for the same number of steps,
# on 45 people. They are evaluated on 15 others, whom neither stage has seen. Runs of one seed share their first weights and their
# batches, so they are **paired**: what counts is the difference within a seed, and how much it varies over three seeds. Whiskers of
# single runs would hide this, because the seeds move all losses together.
#
# - **L_kd**: $\mathrm{mean}_i\left(1 - \cos(e^s_i, e^t_i)\right)$, the reference.
# - **RKD**: distances and angles between faces follow the teacher's, positions do not matter.
# - **CRD**: each student embedding picks out its own teacher embedding among the others'.
# - **L_kd + L_rcd**: with the weights of the project's recipe (10 and 0.1).

# %%

TRAIN_HERE = True  # False: the frozen backbone is student-paper's
recipe = course.lesson_recipe()
base = course.train_backbone(recipe, data.training)[0] if TRAIN_HERE else paper
with torch.no_grad():
    features = base.backbone(lr)
learn, held_out = data.learn, data.held_out


def losses():
    """Make a new object of each loss."""
    return {
        "L_kd": lambda s, t, y: gl.losses.cosine_distillation_loss(s, t),
        "RKD": lambda s, t, y: 25 * gl.losses.rkd_distance_loss(s, t) + 50 * gl.losses.rkd_angle_loss(s, t),
        "CRD (InfoNCE)": lambda s, t, y: gl.losses.contrastive_distillation_loss(s, t, y),
        "L_kd + L_rcd": course.KdAndRcd(),
    }


scores = {name: {} for name in losses()}
for seed in range(3):
    torch.manual_seed(seed)
    for name, loss in losses().items():
        torch.manual_seed(seed)
        head = gl.Student(base.config).head
        course.fit_head(head, features[learn], targets[learn], labels[learn], loss, steps=60, batch_size=32, seed=seed)
        judged = (features[held_out], targets[held_out], faces.labels[held_out])
        scores[name][seed] = course.evaluate_head(head, *judged)

for metric in ("AUC", "cosine to teacher", "relations"):
    runs = {name: {seed: run[metric] for seed, run in by_seed.items()} for name, by_seed in scores.items()}
    means = {name: float(np.mean(list(by_seed.values()))) for name, by_seed in runs.items()}
    print(metric, {name: round(mean, 3) for name, mean in means.items()}, "best:", max(means, key=means.get))
    label = f"{metric} less that of L_kd: mean of 3 seeds"
    course.show(
        plots.paired_figure(plots.paired_differences(runs, "L_kd"), y_label=label, title="60 steps on 45 people")
    )

# %% [markdown]
# Read all three figures before you choose a loss. Whiskers that leave out zero show a difference. With three seeds intervals
# are wide, and whiskers across zero mean "not shown", not "equal". RKD depends only on how embeddings lie to each other: its cosine to the
# teacher is near chance by design, so such a student cannot be compared with a gallery that the *teacher* embedded.
#
# "Relations" is the correlation of the student's scores of all pairs with the teacher's scores. Does a loss on relations keep them
# better than L_kd, which knows nothing of relations? Read it off the third figure before you believe the idea at the top of this
# lesson. Notebook 06 compares more, with whole training runs on real faces.
#
# ## Exercises
# The answers use `torch`, `np` and `F`, which is `torch.nn.functional`.

# %%
from torch.nn import functional as F

# %% [markdown]
# ### Exercise 1: a relation vector
# *Easy, about 10 minutes.*
#
# <details><summary>Hint 1</summary>
# Four steps: difference, first matrix, ReLU, second matrix; then unit length.
# </details>
# <details><summary>Hint 2</summary>
# For a matrix (h, d) and a vector (d,), the product is <code>w1 @ e</code>.
# </details>


# %% tags=["stub"]
def relation(first, second, w1, w2):
    """Return unit(W2 ReLU(W1 (first - second))) for vectors (d,) and matrices (h, d), (r, h)."""
    raise NotImplementedError


# %% tags=["solution"]
def relation(first, second, w1, w2):
    """Return unit(W2 ReLU(W1 (first - second))) for vectors (d,) and matrices (h, d), (r, h)."""
    hidden = torch.relu(w1 @ (first - second))
    return F.normalize(w2 @ hidden, dim=0)


# %% tags=["check"]
from gdrd_lab.course.checks.relations import check_relation

check_relation(relation)

# %% [markdown]
# ### Exercise 2: CRD's critic
# *Medium, about 20 minutes.*
#
# Write CRD's critic, with the term $N/M$ that this lesson's critic lacks. Its value and its gradient must stay finite for
# small temperatures, where $e^{\cos/\tau}$ is larger than any float. At which `ratio` is it the critic of this lesson?
# <details><summary>Hint 1</summary>
# Divide numerator and denominator by the numerator.
# </details>
# <details><summary>Hint 2</summary>
# 1 / (1 + ratio e^(-x)) is a logistic function of x, shifted. By how much? Write ratio as e^(log ratio).
# </details>
# <details><summary>Hint 3</summary>
# torch.sigmoid never overflows. F.cosine_similarity works on rows with dim=1.
# </details>


# %% tags=["stub"]
def critic(u, v, tau, ratio):
    """Return CRD's h(u, v) with ratio = N/M, a number above 0, for each row of u and v (n, r): (n,)."""
    raise NotImplementedError


# %% tags=["solution"]
def critic(u, v, tau, ratio):
    """Return CRD's h(u, v) with ratio = N/M, a number above 0, for each row of u and v (n, r): (n,)."""
    return torch.sigmoid(F.cosine_similarity(u, v, dim=1) / tau - np.log(ratio))


# %% tags=["check"]
from gdrd_lab.course.checks.relations import check_critic

check_critic(critic)

# %% [markdown]
# ### Exercise 3: the positive term
# *Medium, about 20 minutes.*
#
# With both matrices the identity: let the relation of $a$ to $b$ be $\mathrm{ReLU}(a - b)$, so the cosine is that of
# $\mathrm{ReLU}(e^t_i - e^t_j)$ and $\mathrm{ReLU}(e^t_i - e^s_j)$. (Without the ReLU it would not matter which way
# round a relation goes: can you see why?)
# <details><summary>Hint 1</summary>
# All differences at once: <code>x[:, None] - y[None]</code> is (N, N, d).
# </details>
# <details><summary>Hint 2</summary>
# The cross relation goes from the teacher's i to the student's j: <code>teacher[:, None] - student[None]</code>.
# </details>
# <details><summary>Hint 3</summary>
# Leave out i = j with a mask <code>~torch.eye(N, dtype=torch.bool)</code>, and detach the teacher.
# </details>


# %% tags=["stub"]
def positive_term(student, teacher, tau):
    """Return -mean over i != j of log h, relations being ReLU(a - b); embeddings (N, d)."""
    raise NotImplementedError


# %% tags=["solution"]
def positive_term(student, teacher, tau):
    """Return -mean over i != j of log h, relations being ReLU(a - b); embeddings (N, d)."""
    teacher = teacher.detach()
    own = torch.relu(teacher[:, None] - teacher[None])
    cross = torch.relu(teacher[:, None] - student[None])
    logits = F.cosine_similarity(own, cross, dim=2) / tau
    return -F.logsigmoid(logits)[~torch.eye(len(student), dtype=torch.bool)].mean()


# %% tags=["check"]
from gdrd_lab.course.checks.relations import check_positive_term

check_positive_term(positive_term)

# %% [markdown]
# ### Exercise 4: the negative term
# *Hard, about 30 minutes.*
#
# The same relations. Now $k$ runs over all faces but $i$ and $j$: sum over $k$, mean over the pairs $i \neq j$.
# <details><summary>Hint 1</summary>
# Normalise both kinds of relations; then <code>torch.einsum("ijd,ikd->ijk", own, cross)</code> holds every cosine.
# </details>
# <details><summary>Hint 2</summary>
# 1 - sigmoid(x) = sigmoid(-x), so log(1 - h) = logsigmoid(-x).
# </details>
# <details><summary>Hint 3</summary>
# Build a mask (N, N, N) from three comparisons: i != j, k != j, k != i. Divide the sum by N (N - 1).
# </details>


# %% tags=["stub"]
def negative_term(student, teacher, tau):
    """Return -mean over i != j of the sum over k not in (i, j) of log(1 - h(v_ij^t, v_ik^ts))."""
    raise NotImplementedError


# %% tags=["solution"]
def negative_term(student, teacher, tau):
    """Return -mean over i != j of the sum over k not in (i, j) of log(1 - h(v_ij^t, v_ik^ts))."""
    teacher = teacher.detach()
    own = F.normalize(torch.relu(teacher[:, None] - teacher[None]), dim=2)
    cross = F.normalize(torch.relu(teacher[:, None] - student[None]), dim=2)
    logits = torch.einsum("ijd,ikd->ijk", own, cross) / tau
    n = len(student)
    differ = ~torch.eye(n, dtype=torch.bool)
    mask = differ[:, :, None] & differ[None, :, :] & differ[:, None, :]
    return -(F.logsigmoid(-logits) * mask).sum() / (n * (n - 1))


# %% tags=["check"]
from gdrd_lab.course.checks.relations import check_negative_term

check_negative_term(negative_term)

# %% [markdown]
# ### Exercise 5: distilling embeddings
# *Easy, about 10 minutes.*
#
# <details><summary>Hint 1</summary>
# Lengths must not matter.
# </details>
# <details><summary>Hint 2</summary>
# One minus F.cosine_similarity, averaged; and remember who may not learn.
# </details>


# %% tags=["stub"]
def embedding_loss(student, teacher):
    """Return L_kd of embeddings (N, d) as a scalar tensor."""
    raise NotImplementedError


# %% tags=["solution"]
def embedding_loss(student, teacher):
    """Return L_kd of embeddings (N, d) as a scalar tensor."""
    return (1 - F.cosine_similarity(student, teacher.detach(), dim=1)).mean()


# %% tags=["check"]
from gdrd_lab.course.checks.relations import check_embedding_loss

check_embedding_loss(embedding_loss)

# %% [markdown]
# **Used at once.** A head is trained by exercises 3, 4 and 5: $10 L_{kd} + 0.1 L_{rcd}$ with relations $\mathrm{ReLU}(a - b)$. Nothing
# of the relation is learned here. Is it better than $L_{kd}$ alone, from the same start?

# %%
fixed = gl.losses.RelationalContrastiveLoss(128, temperature=0.1).requires_grad_(False)
for matrix in fixed.parameters():
    torch.nn.init.eye_(matrix)  # W_1 and W_2 are the identity
pull = course.yours(positive_term, check_positive_term, lambda s, t, tau: fixed.terms(s, t)[0])
push = course.yours(negative_term, check_negative_term, lambda s, t, tau: fixed.terms(s, t)[1])
kd = course.yours(embedding_loss, check_embedding_loss, gl.losses.cosine_distillation_loss)
found = {}
for name, loss in {
    "L_kd": lambda s, t, y: kd(s, t),
    "L_kd and relations": lambda s, t, y: 10 * kd(s, t) + 0.1 * (pull(s, t, 0.1) + push(s, t, 0.1)),
}.items():
    torch.manual_seed(0)
    head = gl.Student(base.config).head
    course.fit_head(head, features[learn], targets[learn], labels[learn], loss, steps=40, batch_size=24, seed=0)
    evaluated = course.evaluate_head(head, features[held_out], targets[held_out], faces.labels[held_out])
    found |= {f"{name}: {metric}": value for metric, value in evaluated.items()}
course.show(
    plots.bars(found, y_label="on 15 people not trained on, one seed", title="Heads trained by exercises 3 to 5")
)

# %% [markdown]
# ## Summary
# - Embeddings can be distilled one by one (L_kd) or by their relations (L_rcd, RKD). Which keeps the relations better is measured,
#   not assumed.
# - L_rcd compares relation *vectors* of teacher to teacher and of teacher to student, across resolutions.
# - The negative term is a sum: its size grows with the number of negatives, and its weight must be chosen with that in mind.
# - A comparison of losses needs the same start, the same steps, people whom no stage has seen, and differences within several seeds.
#
# ## Questionnaire
# 1. Why does $F_{ts}$ start at the teacher's embedding and not at the student's?
# 2. What does a small temperature do to pairs that are already matched?
# 3. Why is a face of $j$'s identity a bad negative?
# 4. Why must $k = j$ be left out of the negatives?
# 5. By how much does the negative term grow when the batch doubles?
# 6. Why can RKD train an embedding that is useless against the teacher's gallery?
# 7. How would you show that one loss is better than another, and why are whiskers of single runs the wrong picture?
#
# <details><summary>Answers</summary>
#
# 1. The student is compared with embeddings of sharp faces, for example in a gallery, so its relations should be to those.
# 2. Their gradient becomes very small: the critic is sure of them already.
# 3. It is the same person, so its relation should be like the positive one. Pushing it away contradicts the loss.
# 4. It is the positive. It would be pulled and pushed at once.
# 5. It about doubles, because it is a sum over the faces of the batch.
# 6. RKD keeps distances and angles only. A turned or mirrored embedding has the same ones, and other cosines to the teacher's.
# 7. Runs of both from the same starts and batches, the difference within each seed, and its interval. Whiskers of single runs show how much the seeds move both together.
#
# </details>
#
# ## Further reading
# - CRRCD, cross-resolution relational contrastive distillation: arXiv [2409.02555](https://arxiv.org/abs/2409.02555).
# - Park et al., RKD: arXiv [1904.05068](https://arxiv.org/abs/1904.05068).
# - Tian, Krishnan and Isola, CRD: arXiv [1910.10699](https://arxiv.org/abs/1910.10699).
# - Hinton, Vinyals and Dean, knowledge distillation: arXiv [1503.02531](https://arxiv.org/abs/1503.02531).
