# %% [markdown]
# # 04 Full training on GPUs
#
# **Goals.** Know what the `paper` recipe trains and what it costs; run it on one or several GPUs; resume, track, and trust
# mixed precision. The same cells run in their smoke form on a CPU.
#
# **Prerequisites.** Notebooks 01 to 03.
#
# **Time.** Smoke form: about 1 minute on 2 CPU cores. Full form: days on one GPU by the arithmetic of the first figure (not timed).
# The exercises take about 45 minutes.
#
# **Student.** The `paper` recipe trains the whole method in the paper's order, as for `student-paper`, but at a size for GPUs; nobody has
# run it to its end here. The shipped `student` comes from the recipe `best`, which has one stage and takes hours on two CPU cores.
#
# **Paper.** All stages of arXiv [2409.06371](https://arxiv.org/abs/2409.06371) in their order. The recipe is called `paper`
# because it keeps the paper's order, losses and 16 px inputs; its steps, widths, rates and weights are this project's, since
# the paper's could not be read from public text.
#
# ## The result first: the cost
# $$\text{GPU hours} = \frac{\text{faces}\cdot 2\left(3\,M_{\text{trained}} + M_{\text{frozen}}\right)}
# {\text{peak}\cdot\text{utilisation}\cdot 3600}$$
#
# $M$ are multiply-adds per face, *counted* from the networks; a multiply-add is 2 operations; layers that are trained cost
# about three forward passes. L_rcd compares every face with the whole batch and the queue. It is computed in float32, where a GPU is
# slower. Peaks, utilisation and price are assumptions, the same as in `CLUSTER.md`: set your own.

# %%
import gdrd_lab as gl
from gdrd_lab import course, plots

course.set_up()
gpu = course.Gpu(peak=312e12, utilisation=0.35, price=1.5)  # an A100's data sheet for dense bf16; the rest is a guess
recipes = {"smoke": gl.recipes.smoke(), "cpu": gl.recipes.cpu(), "paper": gl.recipes.paper()}
cost = {name: course.stage_costs(recipe) for name, recipe in recipes.items()}
for stage in cost["paper"]:
    print(stage.arithmetic(gpu))
course.show(
    plots.bars(
        {stage.name: stage.hours(gpu) for stage in cost["paper"]},
        y_label="GPU hours",
        title=f"The paper recipe: {course.total_hours(cost['paper'], gpu):,.0f} GPU hours in all",
    )
)

# %% [markdown]
# Two bars are most of the cost: L_rcd with its queue of earlier faces, and the generative teacher. Fewer anchors or a shorter queue
# save the first (`--set head.queue=4096`), a pretrained teacher the second (`--generative FOLDER`). The networks of the student cost
# little. Slide the utilisation in bf16, the least certain number, and measure it in the first minutes of a run (images per second are
# in TensorBoard):

# %%
from dataclasses import replace


def cost_at(utilisation):
    """Draw the cost of the paper recipe at a utilisation."""
    here = replace(gpu, utilisation=utilisation)
    hours = {stage.name: stage.hours(here) for stage in cost["paper"]}
    total = course.total_hours(cost["paper"], here)
    title = f"utilisation {utilisation}: {total:,.0f} GPU hours, {total * here.price:,.0f} in money"
    return plots.bars(hours, y_label="GPU hours", title=title)


course.show_slider("utilisation", (0.1, 0.2, 0.35, 0.5), cost_at, start=2)

# %% [markdown]
# ## The recipe
# **The switch:** `FULL = False` runs the smoke form here; `True` runs the `paper` recipe on whatever accelerate finds, on the
# faces in `DATA`. A notebook drives one process; for several GPUs use the command below.

# %%
import numpy as np
import torch

from gdrd_lab.training import pipeline

FULL = False
DATA = "training"  # used when FULL: the training sets in $GDRD_FACES, or a path (LFW is refused)


recipe = recipes["paper"] if FULL else recipes["smoke"]
faces = (
    gl.load_dataset(DATA, training=True) if FULL else gl.synthetic_faces(identities=20, per_identity=3, size=64, seed=0)
)
for stage in ("generative", "backbone", "head"):
    loop = getattr(recipe, stage).loop
    print(
        f"{stage:10}: {loop.steps:,} steps of {loop.batch_size} faces, precision {loop.precision}, rate {loop.learning_rate:g}"
    )

# %% [markdown]
# ```bash
# gdrd train all --config paper --data training --out runs/full                       # one GPU
# accelerate launch --num_processes 4 -m gdrd_lab train all --config paper --data training --out runs/full
# gdrd train all --config paper --data training --set generative.loop.accumulate=4    # a quarter of the memory
# tensorboard --logdir runs/full
# ```
#
# ## Several devices, one batch
# `batch_size` counts faces per optimiser step, over all devices and micro-batches. Which face goes where is a pure function of
# the step, so the number of devices does not change what is learned from:

# %%
from gdrd_lab.training.trainer import learning_rate_factor, own_rows

loop = recipes["smoke"].head.loop
for devices in (1, 2, 4):
    print(devices, "device(s):", [own_rows(loop, devices, d).tolist() for d in range(devices)])

# %% [markdown]
# Each device averages the gradient over its share; then the devices average over each other. For a loss that is a mean over
# faces and shares of one size, that is the gradient of the whole batch:
#
# $$\nabla L = \frac1D\sum_{d=1}^{D}\nabla L_d .$$

# %%
from gdrd_lab.training.stages.diffusion import build_pipeline, velocity_loss

torch.manual_seed(0)
model = build_pipeline(recipes["smoke"].generative)
hr = gl.to_tensor([faces[k] for k in range(8)])
lr, t, noise = gl.downscale(hr, 16), torch.randint(1000, (8,)), torch.randn(8, 3, 64, 64)


def gradient(rows):
    """Gradient of the denoising loss on some rows, as one vector."""
    model.unet.zero_grad()
    velocity_loss(model, hr[rows], lr[rows], t[rows], noise[rows], 0.0).backward()
    return torch.cat([p.grad.flatten() for p in model.unet.parameters()])


whole, halves = gradient(slice(0, 8)), (gradient(slice(0, 4)) + gradient(slice(4, 8))) / 2
print(
    f"largest difference, relative to the largest gradient: {float((whole - halves).abs().max() / whole.abs().max()):.1e}"
)

# %% [markdown]
# Two things are *not* means over faces: BatchNorm's statistics, which are therefore taken over all devices, and L_rcd, whose
# negatives come from the whole batch. `gdrd_lab.distributed` gathers both.
#
# ## Mixed precision
# bf16 has the range of float32 and 8 bits of precision; the networks run in it, the weights stay in float32.
#
# **Predict, then run:** start at 1 and add 0.001 a thousand times. Where does the sum end in each format?

# %%
guess = course.predict(
    "1 + 1000 x 0.001, added one by one",
    {"float32": 2.0, "float16": 2.0, "bfloat16": 2.0},
    low=0.9,
    high=2.1,
    unit="sum",
)

# %%
sums = {}
for name in ("float32", "float16", "bfloat16"):
    total, step = torch.ones((), dtype=getattr(torch, name)), torch.tensor(0.001, dtype=getattr(torch, name))
    for _ in range(1000):
        total = total + step
    sums[name] = float(total)
guess.reveal(sums)
print({name: f"spacing at 1: {torch.finfo(getattr(torch, name)).eps:.2e}" for name in sums})

# %% [markdown]
# This is why weights, their average and the losses' sums are kept in float32: an update smaller than half the spacing is
# lost entirely.
#
# ## Resume
# Interrupt the run and start it again: it must continue as if nothing had happened. Batches, noise and dropout depend on the
# step alone, and a checkpoint holds weights, their average and the optimiser's state.

# %%

import tempfile
from pathlib import Path

temporary = tempfile.TemporaryDirectory(prefix="resume-")
work = Path(temporary.name)
smoke = recipes["smoke"]
small = gl.synthetic_faces(identities=20, per_identity=3, size=64, seed=0)
pipeline.train_generative(smoke, small, work / "whole", progress=False)
# A run reads 32 faces to check them, then 16 a step: it is interrupted after 8 steps.
try:
    pipeline.train_generative(smoke, course.InterruptedFaces(small, 32 + 16 * 8), work / "resumed", progress=False)
except course.Interruption as error:
    print(f"{error}; checkpoints:", sorted(p.name for p in (work / "resumed").rglob("step-*")))
pipeline.train_generative(smoke, small, work / "resumed", progress=False)
whole, resumed = (
    course.losses(work / "whole", "generative")["denoise"],
    course.losses(work / "resumed", "generative")["denoise"],
)
print("largest difference of any step's loss:", float(np.abs(whole - resumed).max()))
course.show(
    plots.lines(
        np.arange(len(whole)),
        {"without interruption": whole, "interrupted and resumed": resumed},
        x_label="optimiser step",
        y_label="squared error of v",
        title="Interrupted after 8 steps, resumed from the checkpoint at 6",
    )
)

# %% [markdown]
# ## The learning rate
# A linear warm-up over the first 5 % of the steps, then half a cosine down to zero,
#
# $$\eta_s = \eta\cdot\begin{cases}(s+1)/w & s < w\\ \tfrac12\left(1 + \cos\frac{\pi(s-w)}{S-w}\right) & \text{else.}\end{cases}$$

# %%
course.show(
    plots.lines(
        np.arange(200),
        {"factor": [learning_rate_factor(step, 200) for step in range(200)]},
        x_label="step of 200",
        y_label="learning rate / peak",
        title="Warm-up and cosine",
    )
)

# %% [markdown]
# ## The whole run, tracked
# All three stages. Each writes `losses.csv` and TensorBoard's event files; with `FULL` the same cell takes days, and running
# it again after an interruption resumes it.

# %%

out = Path("runs/full") if FULL else work / "run"
pipeline.train_all(recipe, faces, out, gl.load_model("sface"), progress=FULL)
series, places = {}, {}
for stage in ("generative", "backbone", "head"):
    table = course.losses(out, stage)
    for name in (name for name in table if name not in ("step", "seconds")):
        series[f"{stage}: {name}"] = table[name] / table[name][0]
        places[f"{stage}: {name}"] = table["step"]
course.show(
    plots.lines(places, series, x_label="optimiser step", y_label="loss / first loss", title="Every loss of the run")
)
print("written:", sorted({p.name.split(".")[0] for p in out.rglob("[!.]*") if p.is_file()}))

# %%
temporary.cleanup()

# %% [markdown]
# ## Exercises
# ### Exercise 1: split a batch
# *Medium, about 15 minutes.*
#
# Cut the batch into `accumulate` micro-batches, each of them into one block per device; list a device's rows, micro-batch
# after micro-batch.
# <details><summary>Hint 1</summary>
# np.arange(batch) reshaped to (accumulate, devices, share).
# </details>
# <details><summary>Hint 2</summary>
# Take index <code>device</code> along the middle dimension and flatten.
# </details>


# %% tags=["stub"]
def device_rows(batch, devices, accumulate, device):
    """Return the row numbers of one device, micro-batch after micro-batch."""
    raise NotImplementedError


# %% tags=["solution"]
def device_rows(batch, devices, accumulate, device):
    """Return the row numbers of one device, micro-batch after micro-batch."""
    return np.arange(batch).reshape(accumulate, devices, -1)[:, device].reshape(-1)


# %% tags=["check"]
from gdrd_lab.course.checks.scale import check_device_rows

check_device_rows(device_rows)

# %% [markdown]
# ### Exercise 2: warm up, then fall
# *Easy, about 10 minutes.*
#
# <details><summary>Hint 1</summary>
# Two cases: step < warm, and the rest.
# </details>
# <details><summary>Hint 2</summary>
# Progress after the warm-up is (step - warm) / (steps - warm).
# </details>


# %% tags=["stub"]
def rate_factor(step, steps, warm):
    """Return the learning rate's factor at a step (from 0) of ``steps`` with ``warm`` steps of warm-up."""
    raise NotImplementedError


# %% tags=["solution"]
def rate_factor(step, steps, warm):
    """Return the learning rate's factor at a step (from 0) of ``steps`` with ``warm`` steps of warm-up."""
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + np.cos(np.pi * (step - warm) / (steps - warm)))


# %% tags=["check"]
from gdrd_lab.course.checks.scale import check_rate_factor

check_rate_factor(rate_factor)

# %% [markdown]
# **Used at once.** Your rows and your schedule train the denoiser: eight faces a step on two devices in two micro-batches, one after
# the other. The gradients of equal shares are averaged, so the curve should be that of whole batches.


# %%
def library_rows(batch, devices, accumulate, device):
    """The library's rows, with the arguments of exercise 1."""
    return own_rows(replace(loop, batch_size=batch, accumulate=accumulate), devices, device)


rows_of = course.yours(device_rows, check_device_rows, library_rows)
factor = course.yours(rate_factor, check_rate_factor, lambda step, steps, warm: learning_rate_factor(step, steps))


def trained(shares, steps=16):
    """The loss of every step with the batch cut into shares."""
    torch.manual_seed(0)
    model = build_pipeline(recipes["smoke"].generative)
    optimizer = torch.optim.AdamW(model.unet.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: factor(step, steps, 4))
    told = []
    for _ in range(steps):
        optimizer.zero_grad()
        values = [velocity_loss(model, hr[s], lr[s], t[s], noise[s], 0.0) / len(shares) for s in shares]
        sum(values).backward()
        optimizer.step()
        schedule.step()
        told.append(sum(values).item())
    return told


cut = [part for d in range(2) for part in np.split(np.asarray(rows_of(8, 2, 2, d)), 2)]
course.show(
    plots.lines(
        np.arange(16),
        {"whole batches": trained([np.arange(8)]), "two devices, two micro-batches": trained(cut)},
        x_label="optimiser step",
        y_label="squared error of v",
        title="The same eight faces a step, whole and cut",
    )
)

# %% [markdown]
# ### Exercise 3: an average of the weights
# *Easy, about 10 minutes.*
#
# a ← d a + (1 - d) w, starting at the first weights.
# <details><summary>Hint 1</summary>
# A loop over weights[1:].
# </details>
# <details><summary>Hint 2</summary>
# The decay d keeps the old; 1 - d takes in the new.
# </details>


# %% tags=["stub"]
def average_weights(weights, decay):
    """Return the exponential moving average after the last of weights (steps,), starting at the first."""
    raise NotImplementedError


# %% tags=["solution"]
def average_weights(weights, decay):
    """Return the exponential moving average after the last of weights (steps,), starting at the first."""
    average = weights[0]
    for weight in weights[1:]:
        average = decay * average + (1 - decay) * weight
    return float(average)


# %% tags=["check"]
from gdrd_lab.course.checks.scale import check_average

check_average(average_weights)

# %% [markdown]
# ### Exercise 4: the cost
# *Easy, about 10 minutes.*
#
# <details><summary>Hint 1</summary>
# Operations first: per face 2 x (3 x trained + frozen).
# </details>
# <details><summary>Hint 2</summary>
# Divide by what the GPU really does per second, then by 3600.
# </details>


# %% tags=["stub"]
def gpu_hours(trained, frozen, faces, peak, utilisation):
    """Return GPU hours from multiply-adds per face (trained, frozen), faces, and the GPU's peak and utilisation."""
    raise NotImplementedError


# %% tags=["solution"]
def gpu_hours(trained, frozen, faces, peak, utilisation):
    """Return GPU hours from multiply-adds per face (trained, frozen), faces, and the GPU's peak and utilisation."""
    operations = faces * 2 * (3 * trained + frozen)
    return operations / (peak * utilisation) / 3600


# %% tags=["check"]
from gdrd_lab.course.checks.scale import check_gpu_hours

check_gpu_hours(gpu_hours)

# %% [markdown]
# ## Summary
# - The cost follows from counted multiply-adds and numbers of your own. A loss can cost more than the networks.
# - One batch, any number of devices: gradients of equal shares average to the whole batch's.
# - bf16 for the networks; float32 for weights, sums and L_rcd.
# - An interrupted run resumes exactly, because each step depends only on its number.
#
# ## Questionnaire
# 1. Why does training cost about three forward passes?
# 2. Which losses are not means over single faces, and what follows for several devices?
# 3. Why can bf16 lose a small update entirely?
# 4. What must a checkpoint hold so that resuming is exact?
# 5. Where would you save first if the cost is too high?
# 6. What does gradient accumulation change, and what not?
#
# <details><summary>Answers</summary>
#
# 1. One forward pass, and about two for the gradients of inputs and of weights.
# 2. L_rcd, and BatchNorm's statistics. Embeddings and statistics have to be gathered from all devices.
# 3. It keeps 8 bits of precision: an addend smaller than half the spacing of the sum is rounded away.
# 4. Weights, their average, the optimiser's state and the step. Batches and noise follow from the step.
# 5. At the longest bars: a shorter queue or fewer anchors for L_rcd, and a generative teacher that is pretrained.
# 6. It lowers the memory and keeps the batch of a step. BatchNorm in training mode, and losses that compare faces, still see other batches.
#
# </details>
#
# ## Further reading
# - Hugging Face Accelerate: [huggingface.co/docs/accelerate](https://huggingface.co/docs/accelerate).
# - Micikevicius et al., mixed precision training: arXiv [1710.03740](https://arxiv.org/abs/1710.03740).
# - Goyal et al., large batches and warm-up: arXiv [1706.02677](https://arxiv.org/abs/1706.02677).
# - Kaplan et al., for the count of operations: arXiv [2001.08361](https://arxiv.org/abs/2001.08361).
