# %% [markdown]
# # 02 Feature regression
#
# **Goals.** Train the student's backbone on the generative teacher's features (L_gen): the adapter, the normalised
# target, freezing; then measure what the backbone learned.
#
# **Prerequisites.** Notebook 01. Convolution, BatchNorm.
#
# **Time.** About 1.5 minutes on 2 CPU cores, half of it training, which is kept for notebook 03. Training uses a GPU where there is
# one (not timed).
# The exercises take about 45 minutes.
#
# **Student.** The first figure shows the backbones of `student`, pruned from the assistant (recipe `best`), and of `student-paper`, which
# began as `student` and then went through this stage. In this notebook you train a small backbone by yourself, from random weights.
#
# **Paper.** arXiv [2409.06371](https://arxiv.org/abs/2409.06371), the first distillation module: generative
# representation distillation, L_gen. The nearest public recipe is RepFusion's (arXiv
# [2308.10916](https://arxiv.org/abs/2308.10916)): a middle block's feature, a clean input, an adapter on the student's
# side. Block, timestep and normalisation are this project's choices.
#
# ## The result first
# A linear map predicts SFace's embedding of the *sharp* face from the features of a 16 px face, on 15 people it was not fitted
# on ($R^2$, 1 is perfect). The backbones of both students, the generative teacher, a backbone with random weights, and the
# pixels:

# %%
import torch

import gdrd_lab as gl
from gdrd_lab import course, plots
from gdrd_lab.models.diffusion.features import generative_features

course.set_up()
data = course.lesson_faces()  # people 0 to 44 are trained on; people 45 to 59 only judge
lr, learn, held_out = data.lr, data.learn, data.held_out
generative = gl.load_generative(course.shipped_generative())
student, shipped = gl.load_models(["student", "paper-student"])


@torch.inference_mode()
def knows(network):
    """R^2 of the sharp face's identity from a network's feature map of the 16 px face, on the people who judge."""
    return data.identity(network(lr))


torch.manual_seed(0)
untrained = gl.Student(shipped.config).eval()
target = torch.cat([generative_features(generative, part, timestep=999) for part in lr.split(50)])
known = {
    "student's backbone": knows(student.backbone),
    "student-paper's backbone": knows(shipped.backbone),
    "generative teacher, mid block": data.identity(target),
    "random backbone": knows(untrained.backbone),
    "pixels": data.identity(lr, grid=16),
}
course.show(plots.bars(known, y_label="R² on 15 people not fitted on", title="Identity in features of 16 px faces"))

# %% [markdown]
# `data/MODELS.md` describes the training of these students. Did stage 1 add to what the backbone says linearly, or take from it?
# In this notebook you repeat a small stage 1 and see what it does to a backbone that knows nothing.
#
# ## The target
# The teacher reads the same 16 px face. At timestep 999, where its two identity losses trained it (lesson 01), its input is pure noise
# beside the tiny face. Here the mean of that noise stands for it, so the features follow from the tiny face alone:

# %%
course.source(generative_features)
print("features of one face:", tuple(target[0].shape))

# %% [markdown]
# Channels differ in scale, and a plain squared error weighs each by its variance. How much that matters is measured below: the share
# of the whole variance that the quarter of the channels with the largest variance has. (With equal variances it would be 25 %.)
# This project standardises each channel over batch and space,
#
# $$\tilde g = (g - \mu_c)/\sqrt{\sigma_c^2 + 10^{-6}} .$$
#
# so that every channel counts alike and losses of different blocks are comparable. It is a choice, and the real ablation in lesson
# 06 has a row without it.

# %%
from gdrd_lab.losses.generative import TargetNormalisation, normalise_target

deviation = target.std((0, 2, 3))
variance = deviation.square().sort(descending=True).values
loudest = variance[: len(variance) // 4].sum() / variance.sum()
print(f"standard deviation of the teacher's channels: {deviation.min():.2f} to {deviation.max():.2f}")
print(f"a quarter of the channels has {loudest:.0%} of the variance")
standard = normalise_target(target, TargetNormalisation.CHANNEL).std((0, 2, 3), correction=0)
print(f"after standardising: {standard.min():.2f} to {standard.max():.2f}")

# %% [markdown]
# ## The adapter and the loss
# Student and teacher have different widths and grids. An adapter $A$, a 1 x 1 convolution and a bilinear resize, connects
# them **during stage 1 only** and is discarded afterwards. It is linear and small on purpose: the backbone would not have to
# learn what a larger adapter could compute.

# %%
from gdrd_lab.models.student.adapter import FeatureAdapter

course.source(FeatureAdapter)

# %% [markdown]
# $$L_{gen} = \frac{1}{NCHW}\sum\left(A\!\left(f(x^{lr})\right) - \tilde g(x^{lr})\right)^2$$
#
# The teacher is detached: the student moves towards the teacher, and not the teacher towards the student.

# %%
recipe = course.lesson_recipe()
torch.manual_seed(0)
student = gl.Student(recipe.student)
adapter = FeatureAdapter(student.backbone.channels, target.shape[1], tuple(target.shape[2:]))
loss = gl.losses.generative_loss(adapter(student.backbone(lr[:32])), target[:32], normalise=True)
print(f"L_gen before training: {loss.item():.3f}")

# %% [markdown]
# ## Predict, then run
# The target has unit variance, so predicting zero everywhere costs exactly 1. What is the loss on *other people*, drawn with another
# seed, after 80 steps of 32 faces and with the best linear adapter? A number needs baselines here too. What does the best linear
# adapter reach on a backbone with **random weights**, and on the **pixels**? **The switch:** `TRAIN_HERE = False` takes the shipped
# backbone instead.

# %%
TRAIN_HERE = True
guess = course.predict(
    "L_gen with the best linear adapter",
    {"faces trained on": 0.5, "other people": 0.6, "other people, random backbone": 1.0, "other people, pixels": 1.0},
    low=0,
    high=1.2,
    unit="mean squared error of the standardised target",
)

# %%
import numpy as np

from gdrd_lab.analysis.probe import adapter_errors

if TRAIN_HERE:
    stage, run = course.train_backbone(recipe, data.training)
    history = course.losses(run, "backbone")["gen"]
else:
    stage, history = shipped, None

others = gl.downscale(gl.to_tensor(list(gl.synthetic_faces(identities=20, per_identity=3, size=64, seed=1).images)), 16)
other_target = generative_features(generative, others, timestep=999)
torch.manual_seed(0)
blank = gl.Student(stage.config).eval()


@torch.no_grad()
def errors(network):
    """L_gen (faces trained on, other people) with the best linear adapter, fitted on frozen features by least squares."""
    return adapter_errors((network(lr[learn]), target[learn]), (network(others), other_target))


seen, unseen = errors(stage.backbone)  # the run discarded its own adapter
baselines = {
    name: errors(network)[1]
    for name, network in (("random backbone", blank.backbone), ("pixels", torch.nn.PixelUnshuffle(4)))
}
guess.reveal(
    {"faces trained on": seen, "other people": unseen}
    | {f"other people, {name}": value for name, value in baselines.items()}
)

# %%
if history is not None:
    steps = np.arange(len(history))
    course.show(
        plots.lines(
            steps,
            {"each step": history, "mean of 10 steps": course.running_mean(history)},
            x_label="optimiser step",
            y_label="L_gen",
            title="Stage 1",
        )
    )

# %% [markdown]
# ## Freezing
# After stage 1 the paper freezes the backbone. Two things must stop: gradients, and the running statistics of BatchNorm,
# which move in every forward pass in training mode even where nothing asks for a gradient. `HeadStage` does both:

# %%
from gdrd_lab.training.stages.head import HeadStage

course.source(HeadStage.train)
moving = gl.Student(recipe.student).backbone.train().requires_grad_(False)
norm = next(m for m in moving.modules() if isinstance(m, torch.nn.BatchNorm2d))
before = norm.running_mean.clone()
with torch.no_grad():
    moving(lr[:16])
print("no gradients, but training mode: BatchNorm moved by", round(float((norm.running_mean - before).abs().max()), 4))

# %% [markdown]
# ## What did the backbone learn?
# The same probe as above for the backbone of this notebook, beside the same network with random weights. The people who judge took
# no part in stage 1.

# %%
identity = {
    "after stage 1": knows(stage.backbone),
    "random weights, same shape": knows(blank.backbone),
    "generative teacher": known["generative teacher, mid block"],
    "pixels": known["pixels"],
}
course.show(plots.bars(identity, y_label="R² on 15 people not fitted on", title="Identity in features of 16 px faces"))
print(f"explained of the teacher's features: {1 - unseen:.0%}")
print(f"kept of the identity in them: {identity['after stage 1'] / identity['generative teacher']:.0%}")

# %% [markdown]
# Compare the two printed shares. A small L_gen does not mean that identity was kept: the loss counts every direction of the features
# alike, and identity lies in a few of them. The other comparison is with the pixels. Where the teacher's features are not easier to
# read than pixels, there is little reason to expect that regressing them helps with identity.
#
# After stage 1 the backbone is **frozen**. It is then not a start from which stage 2 learns, but the fixed input of the head: what
# the backbone lost cannot come back. Whether that helps the final student is a question for an ablation (notebook 06). The bars come
# from 60 people, one seed and one probe.
#
# ## Exercises
# ### Exercise 1: the loss
# *Easy, about 10 minutes.*
#
# <details><summary>Hint 1</summary>
# Squared difference, then the mean over all dimensions.
# </details>
# <details><summary>Hint 2</summary>
# Which of the two tensors may not receive a gradient? Look up Tensor.detach.
# </details>


# %% tags=["stub"]
def feature_loss(student, teacher):
    """Return L_gen of features (N, C, H, W) as a scalar tensor; only the student may learn."""
    raise NotImplementedError


# %% tags=["solution"]
def feature_loss(student, teacher):
    """Return L_gen of features (N, C, H, W) as a scalar tensor; only the student may learn."""
    return (student - teacher.detach()).square().mean()


# %% tags=["check"]
from gdrd_lab.course.checks.regression import check_feature_loss

check_feature_loss(feature_loss)

# %% [markdown]
# ### Exercise 2: standardise the target
# *Medium, about 15 minutes.*
#
# Each channel gets mean 0 and variance 1 over batch and space (add 1e-6 under the root).
# <details><summary>Hint 1</summary>
# The statistics of a channel run over dimensions 0, 2 and 3.
# </details>
# <details><summary>Hint 2</summary>
# keepdim=True keeps shapes that broadcast; correction=0 divides by the number of values.
# </details>


# %% tags=["stub"]
def standardise(features):
    """Return features (N, C, H, W) with each channel standardised over batch and space."""
    raise NotImplementedError


# %% tags=["solution"]
def standardise(features):
    """Return features (N, C, H, W) with each channel standardised over batch and space."""
    mean = features.mean((0, 2, 3), keepdim=True)
    variance = features.var((0, 2, 3), keepdim=True, correction=0)
    return (features - mean) / (variance + 1e-6).sqrt()


# %% tags=["check"]
from gdrd_lab.course.checks.regression import check_standardise

check_standardise(standardise)

# %% [markdown]
# **Used at once.** Exercises 1 and 2 train a fresh backbone with its adapter. With your target and your loss, predicting zero costs 1.

# %%
own_loss = course.yours(feature_loss, check_feature_loss, gl.losses.generative_loss)
own_target = course.yours(standardise, check_standardise, lambda f: normalise_target(f, TargetNormalisation.CHANNEL))
torch.manual_seed(0)
backbone = gl.Student(recipe.student).backbone.train()
adapter = FeatureAdapter(backbone.channels, target.shape[1], tuple(target.shape[2:]))
optimizer = torch.optim.AdamW([*backbone.parameters(), *adapter.parameters()], lr=2e-3)
inputs, goal, costs = lr[learn], own_target(target[learn]), []
for _ in range(30):
    rows = torch.randint(len(inputs), (32,))
    value = own_loss(adapter(backbone(inputs[rows])), goal[rows])
    optimizer.zero_grad()
    value.backward()
    optimizer.step()
    costs.append(value.item())
course.show(
    plots.lines(
        np.arange(30),
        {"L_gen": costs, "predicting zero": np.ones(30)},
        x_label="optimiser step",
        y_label="L_gen",
        title="Stage 1 with the loss and the target of exercises 1 and 2",
    )
)

# %% [markdown]
# ### Exercise 3: freeze a backbone
# *Medium, about 10 minutes.*
#
# <details><summary>Hint 1</summary>
# nn.Module.requires_grad_(False) stops gradients of all parameters.
# </details>
# <details><summary>Hint 2</summary>
# In which mode does BatchNorm leave its running statistics alone?
# </details>


# %% tags=["stub"]
def freeze(module):
    """Freeze a module for good, weights and statistics, and return it."""
    raise NotImplementedError


# %% tags=["solution"]
def freeze(module):
    """Freeze a module for good, weights and statistics, and return it."""
    return module.requires_grad_(False).eval()


# %% tags=["check"]
from gdrd_lab.course.checks.regression import check_freeze

check_freeze(freeze)

# %% [markdown]
# ### Exercise 4: how much is explained
# *Easy, about 10 minutes.*
#
# The $R^2$ of the probe, against the mean of the rows it was fitted on.
# <details><summary>Hint 1</summary>
# Two sums of squares: prediction against target, and the given mean against target.
# </details>
# <details><summary>Hint 2</summary>
# mean (d,) broadcasts against target (N, d).
# </details>


# %% tags=["stub"]
def explained(target, predicted, mean):
    """Return R^2 of NumPy arrays target and predicted (N, d) against mean (d,)."""
    raise NotImplementedError


# %% tags=["solution"]
def explained(target, predicted, mean):
    """Return R^2 of NumPy arrays target and predicted (N, d) against mean (d,)."""
    return float(1 - np.square(target - predicted).sum() / np.square(target - mean).sum())


# %% tags=["check"]
from gdrd_lab.course.checks.regression import check_explained

check_explained(explained)

# %% [markdown]
# ## Summary
# - L_gen is a mean squared error between adapted student features and detached teacher features.
# - With a standardised target every channel counts alike, and predicting zero costs 1.
# - The adapter is linear and is discarded; the backbone stays and is frozen: no gradients, no moving statistics.
# - A probe shows what was learned, against random weights and pixels, on other people. L_gen alone does not show it.
#
# ## Questionnaire
# 1. Why is the teacher detached?
# 2. What would a deep adapter do to the backbone?
# 3. What is L_gen of a student that always predicts zero, with a standardised target?
# 4. Why is `requires_grad_(False)` not enough to freeze a backbone?
# 5. Why does the teacher read the tiny face and not the sharp one here?
# 6. What would show that stage 1 helps the final student?
#
# <details><summary>Answers</summary>
#
# 1. Otherwise the loss also falls when the teacher moves to the student, for example when both become constant.
# 2. The adapter would compute what the backbone should compute, and it is discarded after stage 1.
# 3. One, the variance of the target.
# 4. BatchNorm moves its running statistics in every forward pass in training mode, without any gradient.
# 5. Then its features follow from what the student also sees. The sharp face would give a target that the student may not be able to reach.
# 6. A fair ablation: the same steps without stage 1, paired seeds, people whom no stage has seen (lesson 06).
#
# </details>
#
# ## Further reading
# - Romero et al., FitNets, regression of hidden features: arXiv [1412.6550](https://arxiv.org/abs/1412.6550).
# - Yang and Wang, RepFusion, diffusion features for distillation: arXiv [2308.10916](https://arxiv.org/abs/2308.10916).
# - Heo et al., on how to regress features: arXiv [1904.01866](https://arxiv.org/abs/1904.01866).
