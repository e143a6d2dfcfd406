"""Answers to the exercises, bodies of functions only: right ones that differ from the solution, and wrong ones."""

RIGHT: dict[str, list[str]] = {
    "block_average": [
        "return F.avg_pool2d(faces, faces.shape[-1] // size)",
        "return F.adaptive_avg_pool2d(faces, size)",
        "b = faces.shape[2] // size\n"
        "out = torch.zeros(len(faces), 3, size, size)\n"
        "for i in range(size):\n"
        "    for j in range(size):\n"
        "        out[:, :, i, j] = faces[:, :, i * b:(i + 1) * b, j * b:(j + 1) * b].mean((2, 3))\n"
        "return out",
    ],
    "cosine_scores": [
        "return F.cosine_similarity(first, second)",
        "return (F.normalize(first, dim=1) * F.normalize(second, dim=1)).sum(dim=1)",
        "return np.array([float(a @ b / a.norm() / b.norm()) for a, b in zip(first, second)])",
        "return torch.stack([a @ b / (a.norm() * b.norm()) for a, b in zip(first, second)])",
    ],
    "accuracy_at": [
        "right = 0\nfor s, g in zip(scores, genuine):\n    right += (s >= threshold) == g\nreturn right / len(scores)",
        "return 1 - np.mean((scores >= threshold) ^ genuine)",
        "return torch.from_numpy((scores >= threshold) == genuine).float().mean()",
    ],
    "d_prime": [
        "a, b = scores[genuine], scores[~genuine]\n"
        "return (a.mean() - b.mean()) / math.sqrt(0.5 * (a.std() ** 2 + b.std() ** 2))",
        "t = torch.from_numpy(scores)\ng = torch.from_numpy(genuine)\n"
        "return (t[g].mean() - t[~g].mean()) / ((t[g].var(correction=0) + t[~g].var(correction=0)) / 2).sqrt()",
    ],
    "add_noise": [
        "a = float(alpha_bar)\nreturn math.sqrt(a) * clean + math.sqrt(1 - a) * noise",
        "return torch.sqrt(alpha_bar) * clean + torch.sqrt(1 - alpha_bar) * noise",
        "return clean * alpha_bar ** 0.5 + noise * (1 - alpha_bar) ** 0.5",
        "with torch.no_grad():\n    return alpha_bar.sqrt() * clean + (1 - alpha_bar).sqrt() * noise",
    ],
    "clean_estimate": [
        "a, b = alpha_bar ** 0.5, (1 - alpha_bar) ** 0.5\nreturn noisy * a - velocity * b",
        "return (alpha_bar.sqrt() * noisy - (1 - alpha_bar).sqrt() * velocity).numpy()",
    ],
    "residual_target": [
        "return (hr - enlarged) * (2 / scale)",
        "return torch.stack([2 * (y - c) / scale for y, c in zip(hr, enlarged)])",
    ],
    "ddim_step": [
        "a, b = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()\nclean = a * noisy - b * velocity\n"
        "noise = (noisy - a * clean) / b\n"
        "return alpha_bar_before.sqrt() * clean + (1 - alpha_bar_before).sqrt() * noise",
        "now, before = torch.acos(alpha_bar.sqrt()), torch.acos(alpha_bar_before.sqrt())\n"
        "return torch.cos(before - now) * noisy + torch.sin(before - now) * velocity",
    ],
    "feature_loss": [
        "return F.mse_loss(student, teacher.detach())",
        "with torch.no_grad():\n    target = teacher.clone()\nreturn ((student - target) ** 2).mean()",
        "total = 0\n"
        "for s, t in zip(student, teacher):\n"
        "    total = total + ((s - t.detach()) ** 2).sum()\n"
        "return total / student.numel()",
    ],
    "standardise": [
        "return F.batch_norm(features, None, None, training=True, eps=1e-6)",
        "channels = features.unbind(1)\n"
        "return torch.stack([(c - c.mean()) / (c.var(correction=0) + 1e-6).sqrt() for c in channels], 1)",
        "x = features.numpy()\nm = x.mean((0, 2, 3), keepdims=True)\n"
        "return (x - m) / np.sqrt(x.var((0, 2, 3), keepdims=True) + 1e-6)",
        "return nn.BatchNorm2d(features.shape[1], eps=1e-6, affine=False)(features).detach()",
    ],
    "freeze": [
        "for p in module.parameters():\n    p.requires_grad = False\nmodule.train(False)\nreturn module",
        "for m in module.modules():\n    if isinstance(m, nn.modules.batchnorm._BatchNorm):\n        m.eval()\n"
        "return module.requires_grad_(False)",
        "for m in module.modules():\n    m.eval()\n"
        "    for p in m.parameters():\n        p.requires_grad_(False)\nreturn module",
    ],
    "explained": [
        "return 1 - ((target - predicted) ** 2).sum() / ((target - mean) ** 2).sum()",
        "a = b = 0.0\n"
        "for t, p in zip(target, predicted):\n"
        "    a += (t - p) @ (t - p)\n"
        "    b += (t - mean) @ (t - mean)\n"
        "return 1 - a / b",
        "return torch.tensor(1 - np.square(predicted - target).mean() / np.square(target - mean).mean())",
    ],
    "relation": [
        "x = w2 @ (w1 @ first - w1 @ second).clamp(min=0)\nreturn x / x.norm()",
        "h = torch.maximum(w1.mv(first - second), torch.zeros(len(w1)))\nx = w2.mv(h)\nreturn x / (x @ x) ** 0.5",
    ],
    "critic": [
        "u, v = F.normalize(u, dim=1), F.normalize(v, dim=1)\n"
        "return ((u * v).sum(1) / tau - math.log(ratio)).sigmoid()",
        "c = [a @ b / a.norm() / b.norm() / tau for a, b in zip(u, v)]\n"
        "return torch.exp(F.logsigmoid(torch.stack(c) - math.log(ratio)))",
        "c = F.cosine_similarity(u, v) / tau\n"
        "return torch.softmax(torch.stack([c, torch.full_like(c, math.log(ratio))]), 0)[0]",
    ],
    "positive_term": [
        "teacher = teacher.detach()\nterms = []\n"
        "for i in range(len(student)):\n"
        "    for j in range(len(student)):\n"
        "        if i != j:\n"
        "            own, cross = F.relu(teacher[i] - teacher[j]), F.relu(teacher[i] - student[j])\n"
        "            terms.append(torch.log(torch.sigmoid(F.cosine_similarity(own, cross, dim=0) / tau)))\n"
        "return -torch.stack(terms).mean()",
        "t = teacher.detach()\nn = len(t)\n"
        "own = F.normalize((t[:, None] - t[None]).clamp(min=0), dim=2)\n"
        "cross = F.normalize((t[:, None] - student[None]).clamp(min=0), dim=2)\n"
        "x = F.softplus(-(own * cross).sum(2) / tau)\n"
        "return (x.sum() - x.diagonal().sum()) / (n * (n - 1))",
    ],
    "negative_term": [
        "teacher = teacher.detach()\nn, total = len(student), 0\n"
        "for i in range(n):\n"
        "    for j in range(n):\n"
        "        for k in range(n):\n"
        "            if i != j and k != i and k != j:\n"
        "                own, cross = F.relu(teacher[i] - teacher[j]), F.relu(teacher[i] - student[k])\n"
        "                h = torch.sigmoid(F.cosine_similarity(own, cross, dim=0) / tau)\n"
        "                total = total - torch.log(1 - h)\n"
        "return total / (n * (n - 1))",
    ],
    "embedding_loss": [
        "return 1 - F.cosine_similarity(student, teacher.detach()).mean()",
        "s, t = F.normalize(student), F.normalize(teacher.detach())\nreturn (s - t).square().sum(1).mean() / 2",
        "t = teacher.detach()\nreturn sum(1 - a @ b / (a.norm() * b.norm()) for a, b in zip(student, t)) / len(t)",
    ],
    "device_rows": [
        "share = batch // (devices * accumulate)\n"
        "return [m * devices * share + device * share + k for m in range(accumulate) for k in range(share)]",
        "rows = torch.arange(batch).chunk(accumulate)\nreturn torch.cat([r.chunk(devices)[device] for r in rows])",
        "parts = np.split(np.arange(batch), accumulate)\n"
        "return np.concatenate([np.split(part, devices)[device] for part in parts]).tolist()",
    ],
    "rate_factor": [
        "p = (step - warm) / (steps - warm)\n"
        "return (step + 1) / warm if step < warm else (1 + math.cos(math.pi * p)) / 2",
        "p = torch.tensor((step - warm) / (steps - warm), dtype=torch.float64)\n"
        "return torch.tensor((step + 1) / warm) if step < warm else torch.cos(p * math.pi / 2) ** 2",
    ],
    "average_weights": [
        "n = len(weights)\npowers = decay ** np.arange(n)[::-1] * (1 - decay)\npowers[0] = decay ** (n - 1)\n"
        "return powers @ weights",
        "a = torch.tensor(weights[0])\n"
        "for w in weights[1:]:\n    a = torch.lerp(a, torch.tensor(w), 1 - decay)\nreturn a",
    ],
    "gpu_hours": [
        "return 2 * faces * (trained * 3 + frozen) / peak / utilisation / 60 / 60",
        "return np.float64(faces) * (6 * trained + 2 * frozen) / (3600 * peak * utilisation)",
    ],
    "shown_variance": [
        "v = np.sort(np.linalg.eigvalsh(np.cov(embeddings.T)))\nreturn v[-2:].sum() / v.sum()",
        "x = torch.from_numpy(embeddings)\ns = torch.linalg.svdvals(x - x.mean(0)) ** 2\nreturn s[:2].sum() / s.sum()",
        "x = embeddings - embeddings.mean(axis=0)\n"
        "g = np.linalg.eigvalsh(x @ x.T)\nreturn (g[-1] + g[-2]) / np.trace(x @ x.T)",
    ],
    "kept_neighbours": [
        "total = 0\n"
        "for i in range(len(points)):\n"
        "    far = np.linalg.norm(points - points[i], axis=1)\n"
        "    near = -(embeddings @ embeddings[i])\n"
        "    far[i] = near[i] = np.inf\n"
        "    total += len(np.intersect1d(np.argsort(far)[:k], np.argsort(near)[:k]))\n"
        "return total / (len(points) * k)",
        "a = np.argsort(-embeddings @ embeddings.T, 1)[:, 1:k + 1]\n"
        "b = np.argsort(((points[:, None] - points) ** 2).sum(2), 1)[:, 1:k + 1]\n"
        "return (a[:, :, None] == b[:, None]).any(2).mean()",
    ],
    "cka": [
        "x, y = x - x.mean(axis=0), y - y.mean(axis=0)\nk, l = x @ x.T, y @ y.T\n"
        "return (k * l).sum() / np.sqrt((k * k).sum() * (l * l).sum())",
        "x, y = (torch.from_numpy(a - a.mean(0)) for a in (x, y))\n"
        "return (x.T @ y).norm() ** 2 / (x.T @ x).norm() / (y.T @ y).norm()",
    ],
    "deletion_score": [
        "return sum((b - a) * (s + t) / 2 for a, b, s, t in zip(fractions, fractions[1:], scores, scores[1:]))",
        "return torch.trapezoid(torch.from_numpy(scores), torch.from_numpy(fractions))",
        "return np.trapezoid(scores, fractions)",
    ],
    "rates": [
        "yes = scores >= threshold\nreturn np.array([yes[~genuine].mean(), yes[genuine].mean()])",
        "yes = torch.from_numpy(scores >= threshold).float()\ng = torch.from_numpy(genuine)\n"
        "return torch.stack([yes[~g].mean(), yes[g].mean()])",
        "yes = torch.from_numpy(scores >= threshold).float()\nreturn [yes[~genuine].mean(), yes[genuine].mean()]",
        "far = sum(s >= threshold for s, g in zip(scores, genuine) if not g) / (~genuine).sum()\n"
        "tar = sum(s >= threshold for s, g in zip(scores, genuine) if g) / genuine.sum()\nreturn far, tar",
    ],
    "held_out_accuracy": [
        "total = []\n"
        "for f in sorted(set(fold)):\n"
        "    best, most = None, -1\n"
        "    for c in candidates:\n"
        "        right = ((scores >= c) == genuine)[fold != f].sum()\n"
        "        if right > most:\n"
        "            best, most = c, right\n"
        "    total.append(((scores >= best) == genuine)[fold == f].mean())\n"
        "return np.mean(total)",
        "right = (scores[:, None] >= candidates) == genuine[:, None]\n"
        "n = fold.max() + 1\n"
        "return sum(right[fold == f, right[fold != f].mean(0).argmax()].mean() for f in range(n)) / n",
    ],
    "pair_copies": [
        "return [copies[a] * (copies[b] if a != b else 1) for a, b in zip(first, second)]",
        "return copies[first] * copies[second] ** (first != second)",
        "return torch.from_numpy(np.where(first != second, copies[second] * copies[first], copies[second]))",
    ],
    "group_false_match": [
        "out = {}\n"
        "for g in set(groups):\n"
        "    impostors = scores[~genuine][groups[~genuine] == g]\n"
        "    out[g] = sum(s >= threshold for s in impostors) / len(impostors)\n"
        "return out",
        "return {g: torch.tensor(np.mean(scores[(groups == g) & ~genuine] >= threshold)) for g in np.unique(groups)}",
    ],
    "similarity_matrix": [
        "p, q = points - points.mean(0), template - template.mean(0)\n"
        "a = (p * q).sum() / (p ** 2).sum()\nb = (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum() / (p ** 2).sum()\n"
        "m = np.array([[a, -b], [b, a]])\n"
        "return np.column_stack([m, template.mean(0) - m @ points.mean(0)])",
        "p, q = points - points.mean(0), template - template.mean(0)\n"
        "u, s, v = np.linalg.svd(q.T @ p)\nd = np.diag([1, np.sign(np.linalg.det(u @ v))])\n"
        "m = u @ d @ v * (s * d.diagonal()).sum() / (p ** 2).sum()\n"
        "return torch.from_numpy(np.column_stack([m, template.mean(0) - m @ points.mean(0)]))",
    ],
    "hold_out": [
        "people = np.random.default_rng(seed).permutation(np.unique(labels))\n"
        "return np.isin(labels, people[:int(round(share * len(people)))])",
        "import random\npeople = sorted({int(n) for n in labels})\n"
        "out = set(random.Random(seed).sample(people, round(share * len(people))))\n"
        "return [int(n) in out for n in labels]",
        "people = torch.from_numpy(np.unique(labels))\n"
        "order = torch.randperm(len(people), generator=torch.Generator().manual_seed(seed))\n"
        "return torch.isin(torch.from_numpy(labels), people[order[:round(share * len(people))]])",
    ],
    "enrol_mean": [
        "out = []\n"
        "for person in range(labels.max() + 1):\n"
        "    rows = [e / np.sqrt(e @ e) for e, n in zip(embeddings, labels) if n == person]\n"
        "    total = sum(rows)\n"
        "    out.append(total / np.linalg.norm(total))\n"
        "return out",
        "e, n = F.normalize(torch.from_numpy(embeddings)), torch.from_numpy(labels)\n"
        "return F.normalize(F.one_hot(n).T.double() @ e)",
    ],
    "who": [
        "out = []\n"
        "for p in probes:\n"
        "    s = gallery @ p\n"
        "    out.append(int(np.argmax(s)) if np.max(s) >= threshold else -1)\n"
        "return out",
        "s, best = (torch.from_numpy(probes) @ torch.from_numpy(gallery).T).max(1)\n"
        "best[s < threshold] = -1\nreturn best",
    ],
}

# By exercise: what is wrong, and the body. These are mistakes that no change of one place in the solution makes.
WRONG: dict[str, list[tuple[str, str]]] = {
    "block_average": [
        ("one pixel, resized to nearest", "return F.interpolate(faces, size=(size, size))"),
        ("bilinear without antialiasing", "return F.interpolate(faces, size=(size, size), mode='bilinear')"),
        ("the block is 4 pixels", "return F.avg_pool2d(faces, 4)"),
        ("the largest of each block", "return F.adaptive_max_pool2d(faces, size)"),
        ("grey faces", "return F.adaptive_avg_pool2d(faces, size).mean(1, keepdim=True).repeat(1, 3, 1, 1)"),
        ("transposed", "return F.adaptive_avg_pool2d(faces, size).transpose(2, 3)"),
    ],
    "cosine_scores": [
        ("all pairs, first column", "return (F.normalize(first) @ F.normalize(second).T)[:, 0]"),
        ("absolute value", "return F.cosine_similarity(first, second).abs()"),
        ("angle", "return F.cosine_similarity(first, second).acos()"),
        ("L1 lengths", "return (first * second).sum(1) / first.abs().sum(1) / second.abs().sum(1)"),
        ("correlation", "return F.cosine_similarity(first - first.mean(1, True), second - second.mean(1, True))"),
        ("negative scores cut off", "return F.cosine_similarity(first, second).clamp(min=0)"),
    ],
    "accuracy_at": [
        ("mean of both rates", "a = scores >= threshold\nreturn (a[genuine].mean() + (~a[~genuine]).mean()) / 2"),
        ("threshold 0.5", "return np.mean((scores >= 0.5) == genuine)"),
        ("best of both", "x = np.mean((scores >= threshold) == genuine)\nreturn max(x, 1 - x)"),
        ("impostors only", "return np.mean((scores < threshold)[~genuine])"),
        ("accepted share", "return np.mean(scores >= threshold)"),
    ],
    "d_prime": [
        (
            "sample variances",
            "a, b = scores[genuine], scores[~genuine]\n"
            "return (a.mean() - b.mean()) / np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)",
        ),
        ("spread of all", "return (scores[genuine].mean() - scores[~genuine].mean()) / scores.std()"),
        (
            "weighted by counts",
            "a, b = scores[genuine], scores[~genuine]\n"
            "return (a.mean() - b.mean()) / np.sqrt((len(a) * a.var() + len(b) * b.var()) / len(scores))",
        ),
        (
            "absolute gap of medians",
            "a, b = scores[genuine], scores[~genuine]\n"
            "return (np.median(a) - np.median(b)) / np.sqrt((a.var() + b.var()) / 2)",
        ),
    ],
    "add_noise": [
        ("its own noise", "return alpha_bar.sqrt() * clean + (1 - alpha_bar).sqrt() * torch.randn_like(clean)"),
        ("minus", "return alpha_bar.sqrt() * clean - (1 - alpha_bar).sqrt() * noise"),
        ("1 - sqrt", "return alpha_bar.sqrt() * clean + (1 - alpha_bar.sqrt()) * noise"),
        ("clipped", "return (alpha_bar.sqrt() * clean + (1 - alpha_bar).sqrt() * noise).clamp(-1, 1)"),
        ("abar 0.7", "return 0.7 ** 0.5 * clean + 0.3 ** 0.5 * noise"),
    ],
    "clean_estimate": [
        ("clipped", "return (alpha_bar.sqrt() * noisy - (1 - alpha_bar).sqrt() * velocity).clamp(-1, 1)"),
        ("from the noise", "return (noisy - (1 - alpha_bar).sqrt() * velocity) / alpha_bar.sqrt()"),
        ("no square roots", "return alpha_bar * noisy - (1 - alpha_bar) * velocity"),
        ("the noisy face", "return noisy"),
    ],
    "residual_target": [
        ("s = 0.14", "return 2 * (hr - enlarged) / 0.14"),
        ("s squared", "return 2 * (hr - enlarged) / scale ** 2"),
        ("clipped", "return (2 * (hr - enlarged) / scale).clamp(-1, 1)"),
        ("own spread", "x = hr - enlarged\nreturn x / x.std()"),
        ("enlarged left in [0, 1]", "return ((2 * hr - 1) - enlarged) / scale"),
    ],
    "ddim_step": [
        (
            "new noise",
            "x = alpha_bar.sqrt() * noisy - (1 - alpha_bar).sqrt() * velocity\n"
            "return alpha_bar_before.sqrt() * x + (1 - alpha_bar_before).sqrt() * torch.randn_like(x)",
        ),
        (
            "velocity as noise",
            "x = alpha_bar.sqrt() * noisy - (1 - alpha_bar).sqrt() * velocity\n"
            "return alpha_bar_before.sqrt() * x + (1 - alpha_bar_before).sqrt() * velocity",
        ),
        (
            "levels exchanged",
            "a, b = alpha_bar_before, alpha_bar\nx = a.sqrt() * noisy - (1 - a).sqrt() * velocity\n"
            "e = (1 - a).sqrt() * noisy + a.sqrt() * velocity\nreturn b.sqrt() * x + (1 - b).sqrt() * e",
        ),
        (
            "clipped",
            "x = (alpha_bar.sqrt() * noisy - (1 - alpha_bar).sqrt() * velocity).clamp(-1, 1)\n"
            "e = (1 - alpha_bar).sqrt() * noisy + alpha_bar.sqrt() * velocity\n"
            "return alpha_bar_before.sqrt() * x + (1 - alpha_bar_before).sqrt() * e",
        ),
    ],
    "feature_loss": [
        ("no gradient", "return torch.tensor(((student - teacher) ** 2).mean().item(), requires_grad=True)"),
        ("smooth", "return F.smooth_l1_loss(student, teacher.detach())"),
        ("the student detached", "return F.mse_loss(student.detach(), teacher)"),
        ("both learn", "return F.mse_loss(student, teacher)"),
        ("standardised", "return F.mse_loss(F.normalize(student), F.normalize(teacher.detach()))"),
        ("a float", "return ((student - teacher) ** 2).mean().item()"),
    ],
    "standardise": [
        (
            "random numbers",
            "x = torch.randn(features.shape)\nm = x.mean((0, 2, 3), keepdim=True)\n"
            "return (x - m) / x.std((0, 2, 3), keepdim=True, correction=0)",
        ),
        ("flipped sign", "return -F.batch_norm(features, None, None, training=True, eps=1e-6)"),
        ("reversed batch", "return F.batch_norm(features, None, None, training=True, eps=1e-6).flip(0)"),
        ("mirrored", "return F.batch_norm(features, None, None, training=True, eps=1e-6).flip(3)"),
        ("channels reversed", "return F.batch_norm(features, None, None, training=True, eps=1e-6).flip(1)"),
        (
            "nothing under the root",
            "m = features.mean((0, 2, 3), keepdim=True)\n"
            "return (features - m) / features.std((0, 2, 3), keepdim=True, correction=0)",
        ),
        (
            "one value less",
            "m = features.mean((0, 2, 3), keepdim=True)\n"
            "return (features - m) / (features.var((0, 2, 3), keepdim=True) + 1e-6).sqrt()",
        ),
        ("each face", "return F.instance_norm(features)"),
        ("each place", "return F.batch_norm(features.flatten(1), None, None, training=True).view_as(features)"),
        ("sorted", "x = F.batch_norm(features, None, None, training=True, eps=1e-6)\nreturn x.sort(0).values"),
    ],
    "freeze": [
        ("top level only", "for m in module:\n    m.training = False\nreturn module.requires_grad_(False)"),
        ("second layer only", "module[1].eval()\nreturn module.requires_grad_(False)"),
        (
            "BatchNorm2d only",
            "for m in module.modules():\n    if isinstance(m, nn.BatchNorm2d):\n        m.eval()\n"
            "return module.requires_grad_(False)",
        ),
        (
            "no momentum",
            "for m in module.modules():\n    if hasattr(m, 'momentum'):\n        m.momentum = 0.0\n"
            "return module.requires_grad_(False)",
        ),
        (
            "no running statistics",
            "for m in module.modules():\n    if hasattr(m, 'running_mean'):\n"
            "        m.running_mean = m.running_var = None\nreturn module.requires_grad_(False)",
        ),
        (
            "biases go on",
            "for name, p in module.named_parameters():\n    p.requires_grad_('bias' in name)\nreturn module.eval()",
        ),
        ("first layer only", "module[0].requires_grad_(False)\nreturn module.eval()"),
        ("a copy", "import copy\nreturn copy.deepcopy(module).requires_grad_(False).eval()"),
        (
            "weights at zero",
            "with torch.no_grad():\n    for p in module.parameters():\n        p.zero_()\n"
            "return module.requires_grad_(False).eval()",
        ),
        (
            "reset statistics",
            "for m in module.modules():\n    if hasattr(m, 'reset_running_stats'):\n"
            "        m.reset_running_stats()\nreturn module.requires_grad_(False).eval()",
        ),
    ],
    "explained": [
        ("never below zero", "return max(0, 1 - np.square(target - predicted).sum() / np.square(target - mean).sum())"),
        ("correlation squared", "return np.corrcoef(target.ravel(), predicted.ravel())[0, 1] ** 2"),
        ("variance of the rest", "return 1 - (target - predicted).var() / (target - mean).var()"),
        (
            "mean of columns",
            "return np.mean(1 - np.square(target - predicted).sum(0) / np.square(target - mean).sum(0))",
        ),
        ("a perfect one", "return 1.0"),
    ],
    "relation": [
        ("detached", "return F.normalize(w2.detach() @ torch.relu(w1.detach() @ (first - second)), dim=0)"),
        ("ReLU at the end", "return F.normalize(torch.relu(w2 @ (w1 @ (first - second))), dim=0)"),
        ("ReLU of the difference", "return F.normalize(w2 @ (w1 @ torch.relu(first - second)), dim=0)"),
        ("sum of one", "x = w2 @ torch.relu(w1 @ (first - second))\nreturn x / x.abs().sum()"),
        ("ReLU on each", "return F.normalize(w2 @ (torch.relu(w1 @ first) - torch.relu(w1 @ second)), dim=0)"),
        ("length detached", "x = w2 @ torch.relu(w1 @ (first - second))\nreturn x / x.norm().detach()"),
        ("GELU", "return F.normalize(w2 @ F.gelu(w1 @ (first - second)), dim=0)"),
    ],
    "critic": [
        ("softmax of the batch", "return torch.softmax(F.cosine_similarity(u, v) / tau - math.log(ratio), 0)"),
        ("without N / M", "return torch.sigmoid(F.cosine_similarity(u, v) / tau)"),
        ("N / M in the temperature", "return torch.sigmoid(F.cosine_similarity(u, v) / (tau * ratio))"),
        ("N / M as a factor", "return torch.sigmoid(F.cosine_similarity(u, v) / tau) / ratio"),
        ("overflows", "e = torch.exp(F.cosine_similarity(u, v) / tau)\nreturn e / (e + ratio)"),
        ("gradient overflows", "return 1 / (1 + ratio * torch.exp(-F.cosine_similarity(u, v) / tau))"),
        ("clipped", "c = (F.cosine_similarity(u, v) / tau).clamp(-5, 5)\nreturn torch.sigmoid(c - math.log(ratio))"),
        ("log of 10", "return torch.sigmoid(F.cosine_similarity(u, v) / tau - math.log10(ratio))"),
        ("u detached", "return torch.sigmoid(F.cosine_similarity(u.detach(), v) / tau - math.log(ratio))"),
        ("tau 0.1", "return torch.sigmoid(F.cosine_similarity(u, v) / 0.1 - math.log(ratio))"),
        ("absolute", "return torch.sigmoid(F.cosine_similarity(u, v).abs() / tau - math.log(ratio))"),
    ],
    "embedding_loss": [
        ("no gradient", "return (1 - F.cosine_similarity(student, teacher)).mean().detach().requires_grad_()"),
        ("squared distance", "return (student - teacher.detach()).square().sum(1).mean()"),
        (
            "distance of unit vectors",
            "return (F.normalize(student) - F.normalize(teacher.detach())).square().sum(1).mean()",
        ),
        ("all pairs", "return (1 - F.normalize(student) @ F.normalize(teacher.detach()).T).mean()"),
        ("both learn", "return (1 - F.cosine_similarity(student, teacher)).mean()"),
        ("the student detached", "return (1 - F.cosine_similarity(student.detach(), teacher)).mean()"),
        ("absolute", "return (1 - F.cosine_similarity(student, teacher.detach()).abs()).mean()"),
    ],
    "device_rows": [
        ("not flat", "return np.arange(batch).reshape(accumulate, devices, -1)[:, device]"),
        ("device after device", "return np.arange(batch).reshape(devices, accumulate, -1)[device].reshape(-1)"),
        ("a block order turned", "return np.arange(batch).reshape(accumulate, devices, -1)[::-1, device].reshape(-1)"),
        ("share after share", "return np.arange(batch).reshape(accumulate, devices, -1)[:, device].T.reshape(-1)"),
        ("a set of numbers from zero", "return np.arange(batch // devices)"),
        ("counts from one", "return np.arange(batch).reshape(accumulate, devices, -1)[:, device].reshape(-1) + 1"),
        (
            "dealt out in a micro-batch",
            "return np.arange(batch).reshape(accumulate, -1, devices)[:, :, device].reshape(-1)",
        ),
    ],
    "rate_factor": [
        (
            "100 steps",
            "if step < warm:\n    return (step + 1) / warm\n"
            "return 0.5 * (1 + np.cos(np.pi * (step - warm) / (100 - warm)))",
        ),
        (
            "10 of warm-up",
            "if step < 10:\n    return (step + 1) / 10\nreturn 0.5 * (1 + np.cos(np.pi * (step - 10) / (steps - 10)))",
        ),
        ("no warm-up", "return 0.5 * (1 + np.cos(np.pi * step / steps))"),
        (
            "ends one step early",
            "if step < warm:\n    return (step + 1) / warm\n"
            "return 0.5 * (1 + np.cos(np.pi * (step - warm) / (steps - warm - 1)))",
        ),
        (
            "quarter of a cosine",
            "if step < warm:\n    return (step + 1) / warm\nreturn np.cos(np.pi / 2 * (step - warm) / (steps - warm))",
        ),
        ("stays at one", "return min(1, (step + 1) / warm)"),
    ],
    "average_weights": [
        (
            "starts at zero, corrected",
            "a = 0\nfor w in weights:\n    a = decay * a + (1 - decay) * w\nreturn a / (1 - decay ** len(weights))",
        ),
        ("decay 0.9", "a = weights[0]\nfor w in weights[1:]:\n    a = 0.9 * a + 0.1 * w\nreturn a"),
        ("the last", "return weights[-1]"),
        ("backwards", "a = weights[-1]\nfor w in weights[-2::-1]:\n    a = decay * a + (1 - decay) * w\nreturn a"),
        ("two weights only", "return decay * weights[0] + (1 - decay) * weights[-1]"),
        (
            "every step",
            "a = [weights[0]]\nfor w in weights[1:]:\n    a.append(decay * a[-1] + (1 - decay) * w)\nreturn a",
        ),
    ],
    "gpu_hours": [
        ("utilisation in the numerator", "return 2 * faces * (3 * trained + frozen) / peak * utilisation / 3600"),
        ("A100", "return 2 * faces * (3 * trained + frozen) / (312e12 * utilisation) / 3600"),
        ("40 percent", "return 2 * faces * (3 * trained + frozen) / (peak * 0.4) / 3600"),
        ("two passes", "return 2 * faces * (2 * trained + frozen) / (peak * utilisation) / 3600"),
        ("days", "return 2 * faces * (3 * trained + frozen) / (peak * utilisation) / 86400"),
        ("a million faces", "return 2e6 * (3 * trained + frozen) / (peak * utilisation) / 3600"),
    ],
    "shown_variance": [
        ("first two columns", "v = embeddings.var(0)\nreturn v[:2].sum() / v.sum()"),
        ("largest columns", "v = np.sort(embeddings.var(0))\nreturn v[-2:].sum() / v.sum()"),
        (
            "rows centred",
            "s = np.linalg.svd(embeddings - embeddings.mean(1, keepdims=True), compute_uv=False) ** 2\n"
            "return s[:2].sum() / s.sum()",
        ),
        ("standardised columns", "s = np.linalg.eigvalsh(np.corrcoef(embeddings.T))\nreturn s[-2:].sum() / s.sum()"),
        ("smallest", "s = np.linalg.eigvalsh(np.cov(embeddings.T))\nreturn s[:2].sum() / s.sum()"),
        ("percent", "s = np.linalg.eigvalsh(np.cov(embeddings.T))\nreturn 100 * s[-2:].sum() / s.sum()"),
    ],
    "kept_neighbours": [
        (
            "k is 3",
            "k = 3\na = np.argsort(-embeddings @ embeddings.T, 1)[:, 1:k + 1]\n"
            "b = np.argsort(((points[:, None] - points) ** 2).sum(2), 1)[:, 1:k + 1]\n"
            "return (a[:, :, None] == b[:, None]).any(2).mean()",
        ),
        (
            "in the same place",
            "a = np.argsort(-embeddings @ embeddings.T, 1)[:, 1:k + 1]\n"
            "b = np.argsort(((points[:, None] - points) ** 2).sum(2), 1)[:, 1:k + 1]\nreturn (a == b).mean()",
        ),
        (
            "of the union",
            "a = np.argsort(-embeddings @ embeddings.T, 1)[:, 1:k + 1]\n"
            "b = np.argsort(((points[:, None] - points) ** 2).sum(2), 1)[:, 1:k + 1]\n"
            "return np.mean([len(set(x) & set(y)) / len(set(x) | set(y)) for x, y in zip(a, b)])",
        ),
        (
            "any kept",
            "a = np.argsort(-embeddings @ embeddings.T, 1)[:, 1:k + 1]\n"
            "b = np.argsort(((points[:, None] - points) ** 2).sum(2), 1)[:, 1:k + 1]\n"
            "return np.mean([bool(set(x) & set(y)) for x, y in zip(a, b)])",
        ),
        (
            "of the first face",
            "a = np.argsort(-embeddings @ embeddings.T, 1)[:1, 1:k + 1]\n"
            "b = np.argsort(((points[:, None] - points) ** 2).sum(2), 1)[:1, 1:k + 1]\n"
            "return (a[:, :, None] == b[:, None]).any(2).mean()",
        ),
        (
            "city blocks",
            "a = np.argsort(-embeddings @ embeddings.T, 1)[:, 1:k + 1]\n"
            "b = np.argsort(abs(points[:, None] - points).sum(2), 1)[:, 1:k + 1]\n"
            "return (a[:, :, None] == b[:, None]).any(2).mean()",
        ),
    ],
    "cka": [
        (
            "x centred only",
            "x = x - x.mean(0)\n"
            "return np.linalg.norm(y.T @ x) ** 2 / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y)",
        ),
        (
            "by one mean",
            "x, y = x - x.mean(), y - y.mean()\n"
            "return np.linalg.norm(y.T @ x) ** 2 / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y)",
        ),
        (
            "spectral norm",
            "x, y = x - x.mean(0), y - y.mean(0)\n"
            "return np.linalg.norm(y.T @ x, 2) ** 2 / np.linalg.norm(x.T @ x, 2) / np.linalg.norm(y.T @ y, 2)",
        ),
        (
            "squared lengths",
            "x, y = x - x.mean(0), y - y.mean(0)\n"
            "return np.linalg.norm(y.T @ x) ** 2 / np.linalg.norm(x) ** 2 / np.linalg.norm(y) ** 2",
        ),
        ("one", "return 1.0"),
        (
            "one minus",
            "x, y = x - x.mean(0), y - y.mean(0)\n"
            "return 1 - np.linalg.norm(y.T @ x) ** 2 / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y)",
        ),
    ],
    "deletion_score": [
        ("right ends", "return (np.diff(fractions) * scores[1:]).sum()"),
        ("equal steps", "return np.trapezoid(scores, dx=1 / (len(scores) - 1))"),
        ("divided by the range", "return np.trapezoid(scores, fractions) / (fractions[-1] - fractions[0])"),
        ("above the curve", "return 1 - np.trapezoid(scores, fractions)"),
        ("axes exchanged", "return np.trapezoid(fractions, scores)"),
        ("the ends only", "return (fractions[-1] - fractions[0]) * (scores[0] + scores[-1]) / 2"),
    ],
    "rates": [
        (">", "a = scores > threshold\nreturn a[~genuine].mean(), a[genuine].mean()"),
        ("TAR alone", "return ((scores >= threshold)[genuine]).mean()"),
        ("FAR of >", "return (scores > threshold)[~genuine].mean(), (scores >= threshold)[genuine].mean()"),
        ("TAR of >", "return (scores >= threshold)[~genuine].mean(), (scores > threshold)[genuine].mean()"),
        ("false rejects", "a = scores >= threshold\nreturn a[~genuine].mean(), 1 - a[genuine].mean()"),
        ("precision", "a = scores >= threshold\nreturn a[~genuine].mean(), genuine[a].mean()"),
        ("threshold 0.4", "a = scores >= 0.4\nreturn a[~genuine].mean(), a[genuine].mean()"),
        ("counts", "a = scores >= threshold\nreturn a[~genuine].sum(), a[genuine].sum()"),
    ],
    "held_out_accuracy": [
        (
            ">",
            "right = (scores[:, None] > candidates) == genuine[:, None]\n"
            "return np.mean([right[fold == f, right[fold != f].mean(0).argmax()].mean() for f in np.unique(fold)])",
        ),
        (
            "the last of equals",
            "c = candidates[::-1]\nright = (scores[:, None] >= c) == genuine[:, None]\n"
            "return np.mean([right[fold == f, right[fold != f].mean(0).argmax()].mean() for f in np.unique(fold)])",
        ),
        (
            "three folds",
            "right = (scores[:, None] >= candidates) == genuine[:, None]\n"
            "return np.mean([right[fold == f, right[fold != f].mean(0).argmax()].mean() for f in range(3)])",
        ),
        (
            "mean over pairs",
            "right = (scores[:, None] >= candidates) == genuine[:, None]\n"
            "each = np.unique(fold)\n"
            "return sum(right[fold == f, right[fold != f].mean(0).argmax()].sum() for f in each) / len(scores)",
        ),
        ("best on all", "return ((scores[:, None] >= candidates) == genuine[:, None]).mean(0).max()"),
        ("median candidate", "return np.mean((scores >= np.median(candidates)) == genuine)"),
        (
            "the last fold",
            "right = (scores[:, None] >= candidates) == genuine[:, None]\nf = fold.max()\n"
            "return right[fold == f, right[fold != f].mean(0).argmax()].mean()",
        ),
    ],
    "pair_copies": [
        ("at most one", "return np.where(first == second, copies[first], copies[first] * copies[second]).clip(0, 1)"),
        ("the smaller", "return np.minimum(copies[first], copies[second])"),
        (
            "pairs of a person",
            "return np.where(first == second, copies[first] * (copies[first] - 1) // 2, "
            "copies[first] * copies[second])",
        ),
        ("zero counts once", "c = copies.clip(1)\nreturn np.where(first == second, c[first], c[first] * c[second])"),
        ("ones", "return np.ones(len(first), int)"),
        (
            "as a share",
            "x = np.where(first == second, copies[first], copies[first] * copies[second])\nreturn x / x.sum()",
        ),
    ],
    "group_false_match": [
        (">", "a = scores > threshold\nreturn {g: a[(groups == g) & ~genuine].mean() for g in np.unique(groups)}"),
        ("two groups", "a = scores >= threshold\nreturn {g: a[(groups == g) & ~genuine].mean() for g in (0, 1)}"),
        (
            "of all impostors",
            "a = scores >= threshold\nreturn {g: (a & (groups == g))[~genuine].mean() for g in np.unique(groups)}",
        ),
        (
            "threshold 0.33",
            "a = scores >= 0.33\nreturn {g: a[(groups == g) & ~genuine].mean() for g in np.unique(groups)}",
        ),
        ("all alike", "a = (scores >= threshold)[~genuine].mean()\nreturn {g: a for g in np.unique(groups)}"),
        ("a list", "a = scores >= threshold\nreturn [a[(groups == g) & ~genuine].mean() for g in np.unique(groups)]"),
        (
            "genuine ones",
            "a = scores >= threshold\nreturn {g: a[(groups == g) & genuine].mean() for g in np.unique(groups)}",
        ),
    ],
    "similarity_matrix": [
        ("affine", "m = np.linalg.lstsq(np.column_stack([points, np.ones(5)]), template, rcond=None)[0]\nreturn m.T"),
        (
            "eyes only",
            "z, w = (a[:, 0] + 1j * a[:, 1] for a in (points, template))\n"
            "s = (w[1] - w[0]) / (z[1] - z[0])\nt = w[0] - s * z[0]\n"
            "return np.array([[s.real, -s.imag, t.real], [s.imag, s.real, t.imag]])",
        ),
        (
            "no scale",
            "z, w = (a[:, 0] + 1j * a[:, 1] for a in (points, template))\n"
            "s = np.vdot(z - z.mean(), w - w.mean())\ns = s / abs(s)\nt = w.mean() - s * z.mean()\n"
            "return np.array([[s.real, -s.imag, t.real], [s.imag, s.real, t.imag]])",
        ),
        (
            "scale by the spreads",
            "z, w = (a[:, 0] + 1j * a[:, 1] for a in (points, template))\n"
            "s = np.vdot(z - z.mean(), w - w.mean())\ns = s / abs(s) * w.std() / z.std()\nt = w.mean() - s * z.mean()\n"
            "return np.array([[s.real, -s.imag, t.real], [s.imag, s.real, t.imag]])",
        ),
        (
            "shift of the means only",
            "t = template.mean(0) - points.mean(0)\nreturn np.array([[1, 0, t[0]], [0, 1, t[1]]])",
        ),
        (
            "shift without the turn",
            "z, w = (a[:, 0] + 1j * a[:, 1] for a in (points, template))\n"
            "s = np.vdot(z - z.mean(), w - w.mean()) / np.vdot(z - z.mean(), z - z.mean())\nt = w.mean() - z.mean()\n"
            "return np.array([[s.real, -s.imag, t.real], [s.imag, s.real, t.imag]])",
        ),
    ],
    "hold_out": [
        (
            "with replacement",
            "p = np.unique(labels)\n"
            "return np.isin(labels, np.random.default_rng(seed).choice(p, round(share * len(p))))",
        ),
        ("the first people", "p = np.unique(labels)\nreturn np.isin(labels, p[:round(share * len(p))])"),
        (
            "turned by the seed",
            "p = np.unique(labels)\nreturn np.isin(labels, np.roll(p, seed)[:round(share * len(p))])",
        ),
        (
            "never the last",
            "p = np.unique(labels)\nn = round(share * len(p))\n"
            "return np.isin(labels, np.random.default_rng(seed).choice(p[:-1], n, replace=False))",
        ),
        (
            "no seed",
            "p = np.unique(labels)\nn = round(share * len(p))\n"
            "return np.isin(labels, np.random.default_rng().choice(p, n, replace=False))",
        ),
        (
            "always three",
            "p = np.unique(labels)\nreturn np.isin(labels, np.random.default_rng(seed).choice(p, 3, replace=False))",
        ),
        ("faces", "return np.random.default_rng(seed).random(len(labels)) < share"),
        (
            "a coin for each",
            "p = np.unique(labels)\nreturn np.isin(labels, p[np.random.default_rng(seed).random(len(p)) < share])",
        ),
        (
            "names from zero",
            "n = len(np.unique(labels))\n"
            "return np.isin(labels, np.random.default_rng(seed).choice(n, round(share * n), replace=False))",
        ),
        (
            "row numbers",
            "p = np.unique(labels)\nn = round(share * len(p))\n"
            "return np.flatnonzero(np.isin(labels, np.random.default_rng(seed).choice(p, n, replace=False)))",
        ),
    ],
    "enrol_mean": [
        (
            "three people",
            "u = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)\n"
            "m = np.stack([u[labels == p].mean(0) for p in range(3)])\n"
            "return m / np.linalg.norm(m, axis=1, keepdims=True)",
        ),
        (
            "the first photograph",
            "u = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)\n"
            "return np.stack([u[labels == p][0] for p in np.unique(labels)])",
        ),
        (
            "median",
            "u = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)\n"
            "m = np.stack([np.median(u[labels == p], 0) for p in np.unique(labels)])\n"
            "return m / np.linalg.norm(m, axis=1, keepdims=True)",
        ),
        (
            "in order of appearance",
            "u = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)\n"
            "m = np.stack([u[labels == p].mean(0) for p in dict.fromkeys(labels.tolist())])\n"
            "return m / np.linalg.norm(m, axis=1, keepdims=True)",
        ),
        (
            "one length for all",
            "u = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)\n"
            "m = np.stack([u[labels == p].mean(0) for p in np.unique(labels)])\nreturn m / np.linalg.norm(m)",
        ),
        (
            "columns",
            "u = embeddings / np.linalg.norm(embeddings, axis=0)\n"
            "m = np.stack([u[labels == p].mean(0) for p in np.unique(labels)])\n"
            "return m / np.linalg.norm(m, axis=1, keepdims=True)",
        ),
    ],
    "who": [
        (">", "s = probes @ gallery.T\nreturn np.where(s.max(1) > threshold, s.argmax(1), -1)"),
        ("zero for nobody", "s = probes @ gallery.T\nreturn np.where(s.max(1) >= threshold, s.argmax(1), 0)"),
        (
            "the last above",
            "s = probes @ gallery.T >= threshold\nreturn np.where(s.any(1), s.shape[1] - 1 - s[:, ::-1].argmax(1), -1)",
        ),
        ("threshold 0.8", "s = probes @ gallery.T\nreturn np.where(s.max(1) >= 0.8, s.argmax(1), -1)"),
        ("best probe of a person", "s = probes @ gallery.T\nreturn np.where(s.max(0) >= threshold, s.argmax(0), -1)"),
        ("absolute scores", "s = abs(probes @ gallery.T)\nreturn np.where(s.max(1) >= threshold, s.argmax(1), -1)"),
        ("the mean score", "s = probes @ gallery.T\nreturn np.where(s.mean(1) >= threshold, s.argmax(1), -1)"),
    ],
}

_PAIRS = (
    "n = len(student)\napart = ~torch.eye(n, dtype=torch.bool)\n"
    "own = torch.relu(teacher[:, None] - teacher[None])\ncross = torch.relu(teacher[:, None] - student[None])\n"
)
_POSITIVE = "return -F.logsigmoid(F.cosine_similarity(own, cross, dim=2) / tau)[apart].mean()"
_NEGATIVE = (
    "logits = F.cosine_similarity(own[:, :, None], cross[:, None], dim=3) / tau\n"
    "mask = apart[:, :, None] & apart[None] & apart[:, None]\n"
    "return -(F.logsigmoid(-logits) * mask).sum() / (n * (n - 1))"
)


def _of_term(term: str) -> list[tuple[str, str]]:
    """Return wrong answers of a term of L_rcd."""
    detached = "teacher = teacher.detach()\n"
    own = "(teacher[:, None] - teacher[None]).detach()"
    whole = detached + _PAIRS + term
    return [
        ("the teacher not detached", _PAIRS + term),
        (
            "teacher to teacher not detached",
            _PAIRS.replace("teacher[:, None] - s", "teacher[:, None].detach() - s") + term,
        ),
        ("teacher to student not detached", _PAIRS.replace("(teacher[:, None] - teacher[None])", own) + term),
        ("the student detached", detached + "student = student.detach()\n" + _PAIRS + term),
        ("the student detached, the teacher not", "student = student.detach()\n" + _PAIRS + term),
        ("tau ignored", whole.replace(" / tau", "")),
        ("tau 0.5", "tau = 0.5\n" + whole),
        ("tau multiplied", whole.replace("/ tau", "* tau")),
        ("no gradient", whole.replace("return ", "x = ") + "\nreturn torch.tensor(x.item(), requires_grad=True)"),
        ("four faces", whole.replace("len(student)", "4")),
        ("the gradient doubled", whole.replace("return ", "x = ") + "\nreturn 2 * x - x.detach()"),
        ("no ReLU", whole.replace("torch.relu", "")),
        ("absolute differences", whole.replace("torch.relu", "torch.abs")),
        ("student and teacher exchanged", "student, teacher = teacher, student\n" + whole),
        ("embeddings normalised first", "student, teacher = F.normalize(student), F.normalize(teacher)\n" + whole),
    ]


WRONG["positive_term"] = _of_term(_POSITIVE)
WRONG["negative_term"] = _of_term(_NEGATIVE)
