# %% [markdown]
# # 01 The diffusion teacher
#
# **Goals.** Understand the forward process and what the network predicts; condition on a tiny face as SR3 does; train a
# small model and watch it denoise; measure what its encoder knows, by layer and timestep.
#
# **Prerequisites.** Notebook 00. Gaussian noise, variance.
#
# **Time.** About 2 minutes on 2 CPU cores, training in it. Training uses a GPU where there is one (not timed).
# The exercises take about 60 minutes.
#
# **Student.** None yet. `student-paper`, which went through the paper's stages in their order, learned from this teacher in stage 1.
# The shipped `student` (recipe `best`) skips stage 1 and was trained without it.
#
# **Paper.** The generative teacher of arXiv [2409.06371](https://arxiv.org/abs/2409.06371): the encoder of a diffusion
# model pretrained for face super-resolution. The equations here are SR3's (arXiv
# [2104.07636](https://arxiv.org/abs/2104.07636), section 2) with v-prediction
# ([2202.00512](https://arxiv.org/abs/2202.00512), section 4) and a residual target
# ([2104.14951](https://arxiv.org/abs/2104.14951), section 3). No pretrained face diffusion model could be shipped, so this
# one was trained for the project (`data/MODELS.md`). It has three losses that the paper does not have; see "A teacher that is told who
# it is" below.
#
# ## The result first
# The shipped teacher turns 16 px into 64 px. Play the film: the first frame is the input, the next eight are the estimates of the
# face while the noise is taken away, and the last is the truth, which the model never sees.

# %%
import gdrd_lab as gl
from gdrd_lab import course, plots
from gdrd_lab.evaluation.compare import shown

course.set_up()
data = course.lesson_faces()
faces = data.faces
hr, lr = data.hr[:80:5], data.lr[:80:5]  # one face each of 16 people
shipped = gl.load_generative(course.shipped_generative())


def picture(face):
    """Turn a face tensor (3, S, S) in [0, 1] into uint8 pixels."""
    return (face.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()


def denoise(model, lr, steps=8, seed=0):
    """Return the estimates of one face after every step."""
    found = []
    model(lr[:1], steps=steps, seeds=[seed], callback=lambda step, face: found.append(picture(face[0])))
    return found


frames = [shown(faces[0], 16, 64), *denoise(shipped, lr), faces[0]]
course.film(
    frames,
    ["input", *(f"step {k}" for k in range(1, 9)), "truth"],
    title="The shipped teacher: input, its estimates, truth",
)

# %% [markdown]
# ## The forward process
# Training starts by destroying: the clean target $x_0$ is mixed with Gaussian noise $\epsilon$,
#
# $$x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon,$$
#
# with $\bar\alpha_t$ falling from 1 (clean, $t=0$) to 0 (pure noise, $t=999$). The squares of the two weights add up to
# one, so if $x_0$ and $\epsilon$ have unit variance and are independent, $x_t$ has unit variance too.

# %%
import numpy as np
import torch

from gdrd_lab.models.diffusion import process

alphas = shipped.scheduler.alphas_cumprod
times = np.arange(0, 1000, 20)
course.show(
    plots.lines(
        times,
        {"signal": alphas[times].sqrt().numpy(), "noise": (1 - alphas[times]).sqrt().numpy()},
        x_label="timestep t",
        y_label="weight in x_t",
        title="How much signal and how much noise",
    )
)

# %% [markdown]
# ## SR3: conditioning on the tiny face
# The model does not have to generate the whole face: most of it is in the 16 px input. Let $c$ be the enlarged input and $y$ the sharp
# face, both in $[-1, 1]$. The model generates the difference, at unit scale,
#
# $$x_0 = (y - c)/s .$$

# %%
condition = shipped.condition(lr)
clean = shipped.clean(hr, lr)
print(f"s = {shipped.residual_scale}; standard deviation of x_0 on these faces: {clean.std():.2f}")

# %% [markdown]
# (Below 1 here, because the synthetic faces have less fine detail than the photographs that $s$ belongs to.)
#
# SR3's idea is then simple: **stack** the noisy image and the condition as the network's input channels. Both pass a
# pixel-unshuffle first, which moves blocks of pixels into channels so that the UNet works on a smaller grid.

# %%
course.source(type(shipped).unet_input)
print(
    "x_t", tuple(clean.shape), "and c", tuple(condition.shape), "->", tuple(shipped.unet_input(clean, condition).shape)
)

# %% [markdown]
# ## What the network predicts
# The network predicts neither the noise nor the face, but the **velocity**
#
# $$v = \sqrt{\bar\alpha_t}\,\epsilon - \sqrt{1-\bar\alpha_t}\,x_0 .$$
#
# Together with $x_t$ it gives $x_0$ back; exercise 2 asks how.
#
# At pure noise ($\bar\alpha = 0$) predicting $\epsilon$ would be trivial, because the input is $\epsilon$. The velocity is
# then $-x_0$, so there is something to learn at every $t$.

# %%
from gdrd_lab.models.diffusion.sampling import start_noise

noise, _ = start_noise(range(16), (3, shipped.size, shipped.size))
t = torch.full((16,), 500)
x_t = process.noised(clean, noise, alphas[t])
v = process.velocity(clean, noise, alphas[t])
back = process.clean_from_velocity(x_t, v, alphas[t])
print("largest error of x_0 computed back from x_t and v:", float((back - clean).abs().max()))

# %% [markdown]
# Slide through the timesteps: the noisy face the network sees, its one-step estimate of the face, and the truth. At small
# $t$ the sharp face is still visible; at $t = 999$ only the condition helps.

# %%


def at_timestep(t):
    """Draw x_t as a face, the network's one-step estimate and the truth, for three faces."""
    step = torch.full((3,), t)
    x_t = process.noised(clean[:3], noise[:3], alphas[step])
    with torch.inference_mode():
        estimate = process.clean_from_velocity(x_t, shipped.predict(x_t, condition[:3], step), alphas[step])
    made = (shipped.to_face(x_t, condition[:3]), shipped.to_face(estimate, condition[:3]), hr[:3])
    rows = ("x_t as a face", "one-step estimate", "truth")
    return plots.face_strip(
        {row: [picture(face) for face in three] for row, three in zip(rows, made, strict=True)}, title=f"t = {t}"
    )


course.show_slider("timestep", (0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 999), at_timestep, start=5)

# %% [markdown]
# ## Train a small one
# The loss is the mean squared error of the velocity at a random timestep,
#
# $$L = \mathbb{E}_{x_0, \epsilon, t}\,\left\lVert \mathrm{UNet}(x_t, c, t) - v \right\rVert^2 ,$$
#
# computed by `velocity_loss`. **The switch:** `TRAIN_HERE = True` trains a UNet of a million parameters for 100 steps, which is
# under a minute, and keeps it for next time; `False` continues with the shipped one (7 million parameters, hours of training).

# %%
from gdrd_lab.training.stages.diffusion import velocity_loss

TRAIN_HERE = True
course.source(velocity_loss)

# %%
if TRAIN_HERE:
    recipe = course.lesson_recipe(generative_steps=100)
    model, run = course.train_generative(recipe, data.training)
    history = course.losses(run, "generative")
    course.show(
        plots.lines(
            history["step"],
            {"each step": history["denoise"], "mean of 10 steps": course.running_mean(history["denoise"])},
            x_label="optimiser step",
            y_label="squared error of v",
            title="The small teacher learns",
        )
    )
else:
    model = shipped

# %% [markdown]
# The loss varies from step to step because each step draws other timesteps: near $t = 0$ the velocity is almost the noise $\epsilon$,
# which cannot be seen in $x_t$, so those steps keep a high error. Look at the running mean. A hundred steps are far too few to draw
# faces: does this model's film show one?

# %%
frames = [shown(faces[0], 16, 64), *denoise(model, lr), faces[0]]
course.film(
    frames,
    ["input", *(f"step {k}" for k in range(1, 9)), "truth"],
    title="The small model: input, its estimates, truth",
)

# %% [markdown]
# ## Predict, then run
# PSNR measures how close a face is to the truth, in decibels; higher is closer. Bicubic enlargement needs no network.
# What does the shipped teacher reach with 1, 4 and 20 denoising steps?

# %%
guess = course.predict(
    "Mean PSNR of 16 faces, 16 px to 64 px",
    {"bicubic": 25.0, "1 step": 25.0, "4 steps": 26.0, "20 steps": 28.0},
    low=20,
    high=35,
    step=0.5,
    unit="PSNR (dB)",
)

# %%
from gdrd_lab.evaluation.metrics.image_quality import psnr

outputs = {"bicubic": gl.resize(lr, 64)}
outputs |= {f"{n} step{'s' * (n > 1)}": shipped(lr, steps=n, seeds=range(16)) for n in (1, 4, 20)}
guess.reveal({name: float(psnr(hr, face).mean()) for name, face in outputs.items()})
course.show(
    plots.face_strip({name: [picture(face) for face in made[:6]] for name, made in [*outputs.items(), ("truth", hr)]})
)

# %% [markdown]
# Was a step better or worse than you expected? By the denoising loss alone, one step would give the *mean* of the possible faces, the
# best guess in squared error. This teacher's one-step estimate was also trained to keep identity (below), which costs squared error.
# Many steps give *one* possible face, with detail that need not be true. The model invents what differs between two seeds below:

# %%
seeds = [picture(shipped(lr[:1], steps=8, seeds=[seed])[0]) for seed in range(5)]
course.show(
    plots.face_strip({"one input": [shown(faces[0], 16, 64), *seeds]}, ["input", *(f"seed {k}" for k in range(5))])
)

# %% [markdown]
# ## A teacher that is told who it is
# The denoising loss counts pixels. Nothing in it says that the drawn face must be the *same person*. The shipped teacher therefore has
# more losses. In its last run two of them ask for the embedding $z$ that the assistant, SFace fine-tuned on small faces, gives the small
# face:
#
# $$L = L_{denoise} + 2\,(1 - \cos(T(a(\hat y)), z)) + 2\,(1 - \cos(A f, z)) + 15\,\mathrm{mean}\left((\hat y - y)^2\right)$$
#
# The second term reads the **picture**: $\hat y$ is the estimate of the face from pure noise, $T$ is SFace (frozen), and $a$ moves,
# turns and mirrors the face a little at random, so that no pattern of single pixels is enough. The third term reads the
# **features** $f$ of the middle block at $t = 999$ through a linear map $A$, which is thrown away afterwards. REPA (arXiv
# [2410.06940](https://arxiv.org/abs/2410.06940)) aligns the features of image generators in this way. The last term keeps the
# estimate near the sharp face $y$: in the runs before, without it, one step left lines on a grid of four pixels. All three weights
# are 0 in the recipe `paper`.
#
# A picture that is made to suit SFace may suit SFace *alone*. The control is dlib's network, which took no part in the training. Below:
# verification accuracy on LFW's 6,000 pairs, both faces small, of each network on a bicubic enlargement and on the teacher's
# one-step estimate.

# %%
from gdrd_lab.evaluation.sweep import Setting

real = [s for s in course.shipped_scores("lfw") if s.metric == "accuracy" and s.setting == Setting.SAME]
for size in (8, 16):
    found = {s.method: s.value for s in real if s.resolution == size}
    readers = [f"{name}{how}" for name in ("SFace", "dlib ResNet") for how in ("", " on super-resolved")]
    bars = {name: found[name] for name in readers}
    course.show(
        plots.bars(
            bars, y_label="verification accuracy (chance: 0.5)", title=f"LFW, both faces at {size} px: does dlib agree?"
        )
    )

# %% [markdown]
# If the bars on super-resolved faces are higher for both networks, the estimate holds something that both can read. If SFace's rose and
# dlib's did not, the gain would be a pattern that only SFace sees.
#
# ## What the encoder's features hold
# The student will regress the **encoder's features**, not the pictures. Which layer, which timestep? The paper's choice
# could not be read from public text, so we measure: a linear map from the features predicts SFace's embedding of the
# *sharp* face, on people it was not fitted on. $R^2 = 1$ is perfect, 0 is no better than the mean. The features are read without
# drawn noise, at the mean of the noised input, so that they depend on the face alone.
#
# $$R^2 = 1 - \frac{\sum (y - \hat y)^2}{\sum (y - \bar y)^2}$$

# %%
from gdrd_lab.analysis.probe import linear_probe
from gdrd_lab.models.diffusion.features import encoder_blocks, generative_features

course.source(linear_probe)
timesteps = (0, 100, 400, 800, 999)


def probed(model):
    """R^2 by block, one value per timestep."""
    found = {}
    for block in encoder_blocks(model.unet):
        features = [generative_features(model, data.lr, timestep=t, block=block) for t in timesteps]
        found[block] = [data.identity(f) for f in features]  # the probe is fitted on 45 people, evaluated on 15 others
    return found


known = probed(shipped)
course.show(
    plots.lines(
        timesteps,
        known,
        x_label="timestep t",
        y_label="R² of the sharp face's SFace embedding",
        title="Identity in the shipped encoder's features at 16 px",
    )
)

# %% [markdown]
# Such a number needs baselines. The same network with **random weights** says what training added to what its architecture lets a
# linear map read. The **pixels** of the 16 px face say whether reading the features is better than reading the face itself: the
# features are computed from these pixels, so they cannot hold more, but a linear map may find it more easily in them.

# %%
from gdrd_lab.analysis.identity_probe import read_probe, untrained

blank = untrained(shipped)
rows = {f"shipped, {block}": values[-1] for block, values in known.items()}
rows |= {
    f"random, {block}": data.identity(generative_features(blank, data.lr, timestep=999, block=block))
    for block in encoder_blocks(blank.unet)
}
rows["pixels"] = data.identity(data.lr, grid=16)
best = max((name for name in rows if "shipped" in name), key=lambda name: rows[name])
print(f"best block less its random weights: {rows[best] - rows[best.replace('shipped', 'random')]:+.3f}")
print(f"best block less the pixels:         {rows[best] - rows['pixels']:+.3f}")
course.show(
    plots.bars(rows, y_label="R² on 15 people not fitted on", title="Identity, read off by a linear map at t = 999")
)

# %% [markdown]
# Read the two printed differences. The first says how much training taught the encoder about identity. The second is the first
# condition for the paper's claim (all of them: `CLAIM.md`): where features are no easier to read than pixels, there is little reason
# to expect that they teach the student identity.
#
# Sixty synthetic people do not settle it. Here is the same question on **real** people from `data/results/probe.json`: how well a linear
# map of each block tells all pairs of faces apart. The map was not fitted on these people, and they were held out from the teachers'
# training by their labels (`data/MODELS.md` says how far). "Earlier teacher" was trained on the denoising loss alone.

# %%
from gdrd_lab.io.paths import data_folder
from gdrd_lab.reports.identity import answer, probe_figure

probed_on_real = [row for row in read_probe(data_folder() / "results" / "probe.json") if row.resolution == 16]
print(answer(probed_on_real))
course.show(probe_figure(probed_on_real))

# %% [markdown]
# Which block and which timestep would you give the student? Which difference between the two teachers did the added losses make?
# The recipe `cpu` reads the middle block at $t = 999$. Notebook 02 gives these features to the student, and notebook 03 adds the other
# teacher.
#
# ## Who saw which faces?
# A teacher can also bring knowledge of faces that its student never sees. `data/MODELS.json` records the commands that made the
# shipped models ("training" stands for all training sets together):

# %%
import json
import re

made = json.loads((data_folder() / "MODELS.json").read_text())
for name in ("generative", "student", "student-paper"):
    used = {words[1] for run in made[name]["runs"] if (words := re.search(r"--data (\S+)", run["command"]))}
    print(f"{name:13} was trained on {' and '.join(sorted(used))}")

# %% [markdown]
# If teacher and student saw the same faces, the teacher's advantages are its task, to draw the sharp face, and what its added
# losses told it about identity. The latter comes from the assistant, a *discriminative* network: is that still the paper's claim?
#
# ## Exercises
# ### Exercise 1: noise a face
# *Easy, about 10 minutes.*
#
# <details><summary>Hint 1</summary>
# Write down the variance of a x_0 + b e for independent x_0 and e of unit variance. What must a² + b² be?
# </details>
# <details><summary>Hint 2</summary>
# The weights are the square roots of abar and of 1 - abar.
# </details>


# %% tags=["stub"]
def add_noise(clean, noise, alpha_bar):
    """Return x_t for x_0 = clean (N, C, H, W), e = noise and a scalar tensor alpha_bar."""
    raise NotImplementedError


# %% tags=["solution"]
def add_noise(clean, noise, alpha_bar):
    """Return x_t for x_0 = clean (N, C, H, W), e = noise and a scalar tensor alpha_bar."""
    return alpha_bar.sqrt() * clean + (1 - alpha_bar).sqrt() * noise


# %% tags=["check"]
from gdrd_lab.course.checks.diffusion import check_add_noise

check_add_noise(add_noise)

# %% [markdown]
# ### Exercise 2: from velocity back to the clean face
# *Medium, about 15 minutes.*
#
# <details><summary>Hint 1</summary>
# You have two equations, x_t = a x_0 + b e and v = a e - b x_0, with a² + b² = 1. Get rid of e.
# </details>
# <details><summary>Hint 2</summary>
# Multiply the first by a and the second by b, and subtract.
# </details>


# %% tags=["stub"]
def clean_estimate(noisy, velocity, alpha_bar):
    """Return x_0 from x_t = noisy (N, C, H, W), v = velocity and a scalar tensor alpha_bar."""
    raise NotImplementedError


# %% tags=["solution"]
def clean_estimate(noisy, velocity, alpha_bar):
    """Return x_0 from x_t = noisy (N, C, H, W), v = velocity and a scalar tensor alpha_bar."""
    return alpha_bar.sqrt() * noisy - (1 - alpha_bar).sqrt() * velocity


# %% tags=["check"]
from gdrd_lab.course.checks.diffusion import check_clean_estimate

check_clean_estimate(clean_estimate)

# %% [markdown]
# **Used at once.** A sampler from exercises 1 and 2 alone: estimate the clean target, noise it again to the next lower level with
# *new* noise, and repeat. The shipped network predicts the velocities.

# %%
from itertools import pairwise

mix = course.yours(add_noise, check_add_noise, process.noised)
estimate = course.yours(clean_estimate, check_clean_estimate, process.clean_from_velocity)
levels, generator = (999, 700, 400, 100), torch.Generator().manual_seed(0)
x, drawn = noise[:3], {"input": [shown(faces[5 * k], 16, 64) for k in range(3)]}
for now, lower in pairwise(levels):
    with torch.inference_mode():
        x_0 = estimate(x, shipped.predict(x, condition[:3], torch.full((3,), now)), alphas[now])
    drawn[f"from t = {now}"] = [picture(face) for face in shipped.to_face(x_0, condition[:3])]
    x = mix(x_0, torch.randn(x_0.shape, generator=generator), alphas[lower])
drawn["truth"] = [picture(face) for face in hr[:3]]
course.show(plots.face_strip(drawn, title="A sampler with new noise in every step"))

# %% [markdown]
# ### Exercise 3: the residual target
# *Easy, about 10 minutes.*
#
# Faces come in [0, 1]; the model works in [-1, 1].
# <details><summary>Hint 1</summary>
# Bring both faces to [-1, 1] first: 2 y - 1.
# </details>
# <details><summary>Hint 2</summary>
# The ones cancel in the difference, the factor 2 does not.
# </details>


# %% tags=["stub"]
def residual_target(hr, enlarged, scale):
    """Return x_0 = (y - c) / s for faces (N, 3, H, W) in [0, 1]."""
    raise NotImplementedError


# %% tags=["solution"]
def residual_target(hr, enlarged, scale):
    """Return x_0 = (y - c) / s for faces (N, 3, H, W) in [0, 1]."""
    return ((2 * hr - 1) - (2 * enlarged - 1)) / scale


# %% tags=["check"]
from gdrd_lab.course.checks.diffusion import check_residual_target

check_residual_target(residual_target)

# %% [markdown]
# ### Exercise 4: one step back
# *Hard, about 25 minutes.*
#
# The deterministic sampler (DDIM) estimates $x_0$ and $\epsilon$ from $x_t$ and $v$, and mixes them again at the noise
# level of the step before.
# <details><summary>Hint 1</summary>
# Exercise 2 gives x_0. In the same way e = b x_t + a v.
# </details>
# <details><summary>Hint 2</summary>
# Then it is exercise 1 with the abar of the step before.
# </details>


# %% tags=["stub"]
def ddim_step(noisy, velocity, alpha_bar, alpha_bar_before):
    """Return x at the step before from x_t = noisy and v = velocity; both alpha_bar are scalar tensors."""
    raise NotImplementedError


# %% tags=["solution"]
def ddim_step(noisy, velocity, alpha_bar, alpha_bar_before):
    """Return x at the step before from x_t = noisy and v = velocity; both alpha_bar are scalar tensors."""
    clean = alpha_bar.sqrt() * noisy - (1 - alpha_bar).sqrt() * velocity
    noise = (1 - alpha_bar).sqrt() * noisy + alpha_bar.sqrt() * velocity
    return alpha_bar_before.sqrt() * clean + (1 - alpha_bar_before).sqrt() * noise


# %% tags=["check"]
from gdrd_lab.course.checks.diffusion import check_ddim_step

check_ddim_step(ddim_step)

# %% [markdown]
# ## Summary
# - The forward process mixes signal and noise at constant variance; the network predicts a velocity that gives $x_0$ back.
# - SR3 conditions by stacking: the enlarged face is in the input channels at every step.
# - By the denoising loss alone one step gives the mean of the possible faces, which is closest in squared error. Many steps give one
#   possible face, whose detail is invented.
# - Super-resolution alone does not ask who it is. Two losses that do, on the estimate and on the features, need a second recogniser
#   as judge.
# - What a feature knows is measured with a probe on other people, against pixels and random weights.
#
# ## Questionnaire
# 1. Why are the weights square roots?
# 2. What is $v$ at $\bar\alpha = 1$ and at $\bar\alpha = 0$?
# 3. Why does predicting $\epsilon$ fail at pure noise?
# 4. What does the residual target save the network from learning?
# 5. A teacher was trained on the denoising loss alone. Why can its one denoising step beat twenty in PSNR?
# 6. Why must the probe be evaluated on people it was not fitted on?
# 7. What would you conclude if random weights reached the same $R^2$? And if the pixels did?
#
# <details><summary>Answers</summary>
#
# 1. Variances add, and a weight counts squared: the squares of the weights have to add up to one.
# 2. At 1 it is the noise; at 0 it is minus the clean target.
# 3. The input is the noise itself, so the network learns nothing about the face there.
# 4. To copy what the enlarged face shows already.
# 5. One step gives the mean of the possible faces, which is best in squared error. Twenty steps give one possible face.
# 6. A linear map with thousands of inputs fits the people it was fitted on whatever the features hold.
# 7. Equal to random weights: training added nothing that a linear map can read. Equal to pixels: the features are not easier to read than the face itself.
#
# </details>
#
# ## Further reading
# - Ho, Jain and Abbeel, DDPM: arXiv [2006.11239](https://arxiv.org/abs/2006.11239).
# - Saharia et al., SR3: arXiv [2104.07636](https://arxiv.org/abs/2104.07636).
# - Salimans and Ho, v-prediction: arXiv [2202.00512](https://arxiv.org/abs/2202.00512).
# - Alain and Bengio, linear probes: arXiv [1610.01644](https://arxiv.org/abs/1610.01644).
