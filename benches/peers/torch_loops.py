"""The loops of benches/work/loops.rs in PyTorch, recorded eagerly: the same models, losses, optimizers and batches.
python torch_loops.py [--threads N] [--only L_vae,L_gan]"""
import torch
import torch.nn as nn
import torch.nn.functional as F
from timing import arguments, report

args = arguments()
torch.set_num_threads(args.threads)
torch.manual_seed(0)


def dense(*sizes, activation=nn.ReLU, dropout=0.0):
    layers = []
    for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
        layers += ([activation()] + [nn.Dropout(dropout)] * (dropout > 0) if i else []) + [nn.Linear(a, b)]
    return nn.Sequential(*layers)


def trained(optimizer, loss, parameters=None, norm=None):
    """A step that minimizes loss()."""

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        if norm is not None:
            nn.utils.clip_grad_norm_(parameters, norm)
        optimizer.step()

    return step


def recommender(users=120, items=80, width=8, batch=64):
    parts = nn.ModuleDict(
        dict(
            user=nn.Embedding(users, width), item=nn.Embedding(items, width), genres=nn.Linear(6, width, bias=False),
            generous=nn.Embedding(users, 1), liked=nn.Embedding(items, 1), age=nn.Linear(1, 1),
        )
    )
    user, item = torch.randint(0, users, (batch,)), torch.randint(0, items, (batch,))
    genres, age, rating = torch.rand(batch, 6) < 0.4, torch.rand(batch, 1), torch.randn(batch, 1)

    def loss():
        left, right = parts["user"](user), parts["item"](item) + parts["genres"](genres.float())
        offsets = parts["generous"](user) + parts["liked"](item)
        return F.mse_loss((left * right).sum(1, keepdim=True) + offsets + parts["age"](age), rating)

    return trained(torch.optim.AdamW(parts.parameters(), lr=0.01, weight_decay=0.1), loss)


def vae(code=8, batch=64):
    parts = nn.ModuleList([dense(64, 128, 2 * code), dense(code, 128, 64)])
    image = torch.rand(batch, 64)

    def loss():
        mean, log_variance = parts[0](image).chunk(2, dim=1)
        seen = torch.distributions.Normal(mean, (0.5 * log_variance).exp(), validate_args=False)
        logits = parts[1](seen.rsample())
        pixels = F.binary_cross_entropy_with_logits(logits, image, reduction="sum") / batch
        standard = torch.distributions.Normal(torch.zeros(()), torch.ones(()), validate_args=False)
        return pixels + torch.distributions.kl_divergence(seen, standard).sum(1).mean()

    return trained(torch.optim.Adam(parts.parameters(), lr=2e-3), loss)


def gan(batch=128, turns=3):
    generator, critic = dense(4, 64, 64, 2, activation=nn.SiLU), dense(2, 64, 64, 1, activation=nn.SiLU)
    real = torch.randn(batch, 2)

    def draw():
        return generator(torch.randn(batch, 4))

    def critic_loss():
        with torch.no_grad():
            drawn = draw()
        distance = critic(real).mean() - critic(drawn).mean()
        share = torch.rand(batch, 1)
        between = (real * share + drawn * (1 - share)).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        return ((slope.square().sum(1) + 1e-12).sqrt() - 1).square().mean() - distance

    def generator_loss():
        return -critic(draw()).mean()

    def adam(model):
        return torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.5, 0.9))

    first, second = trained(adam(critic), critic_loss), trained(adam(generator), generator_loss)

    def turn():
        for _ in range(turns):
            first()
        critic.requires_grad_(False)
        second()
        critic.requires_grad_(True)

    return turn


def siamese(batch=64):
    embed = dense(64, 128, 32, dropout=0.2)
    left, right, same = torch.rand(batch, 64), torch.rand(batch, 64), torch.arange(batch) % 2 == 0

    def loss():
        apart, alike = ((embed(left) - embed(right)).square().sum(1) + 1e-12).sqrt(), same.float()
        return (alike * apart.square()).mean() + ((1 - alike) * (1 - apart).relu().square()).mean()

    return trained(torch.optim.Adam(embed.parameters(), lr=1e-3), loss)


def reverse(letters=26, length=8, width=96, batch=64):
    gru = dict(batch_first=True)
    parts = nn.ModuleDict(
        dict(
            letters=nn.Embedding(letters + 1, width), reads=nn.GRU(width, width, **gru), writes=nn.GRU(width, width, **gru),
            score=nn.Linear(2 * width, letters),
        )
    )
    read, written, target = [torch.randint(0, letters, (batch, length)) for _ in range(3)]

    def loss():
        seen, state = parts["reads"](parts["letters"](read))
        states, _ = parts["writes"](parts["letters"](written), state)
        found = F.scaled_dot_product_attention(states, seen, seen)
        scores = parts["score"](torch.cat([states, found], -1))
        return F.cross_entropy(scores.permute(0, 2, 1), target)

    return trained(torch.optim.Adam(parts.parameters(), lr=4e-3), loss)


class Block(nn.Module):
    """Causal self-attention with rotary positions and two dense layers, both of normalized inputs."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out, self.dense = nn.Linear(width, 3 * width), nn.Linear(width, width), dense(width, 4 * width, width, activation=nn.GELU)

    def forward(self, x, cos, sin):
        batch, length, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)

        def rotated(x):
            a, b = x.chunk(2, dim=-1)
            return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)

        y = F.scaled_dot_product_attention(rotated(q), rotated(k), v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(batch, length, width))
        return x + self.dense(self.norm2(x))


def gpt(characters=80, width=96, heads=4, layers=3, batch=16, length=128):
    tokens, norm = nn.Embedding(characters, width), nn.LayerNorm(width)
    nn.init.normal_(tokens.weight, std=0.02)
    blocks = nn.ModuleList([Block(width, heads) for _ in range(layers)])
    half = width // heads // 2
    angle = torch.arange(length)[:, None] * 10_000.0 ** (-torch.arange(half) / half)
    cos, sin = angle.cos(), angle.sin()
    read, following = [torch.randint(0, characters, (batch, length)) for _ in range(2)]
    parameters = [*tokens.parameters(), *blocks.parameters(), *norm.parameters()]

    def loss():
        x = tokens(read)
        for block in blocks:
            x = block(x, cos, sin)
        return F.cross_entropy((norm(x) @ tokens.weight.t()).permute(0, 2, 1), following)

    return trained(torch.optim.Adam(parameters, lr=3e-3), loss, parameters, norm=1.0)


def dqn(batch=128):
    online, target = dense(4, 128, 128, 2), dense(4, 128, 128, 2)
    state, now, following = torch.randn(1, 4), torch.randn(batch, 4), torch.randn(batch, 4)
    action, fell = torch.randint(0, 2, (batch, 1)), (torch.rand(batch, 1) < 0.02).float()

    def loss():
        worth = online(now).gather(1, action)
        with torch.no_grad():
            best = online(following).argmax(1, keepdim=True)
            wanted = (1 - fell) * target(following).gather(1, best) * 0.99 + 1
        return F.smooth_l1_loss(worth, wanted)

    step, pairs = trained(torch.optim.Adam(online.parameters(), lr=5e-4), loss), (list(target.parameters()), list(online.parameters()))

    def turn():
        with torch.no_grad():
            online(state).argmax(1).item()
        step()
        with torch.no_grad():
            torch._foreach_lerp_(*pairs, 0.01)

    return turn


def multi_task(batch=32):
    trunk, heads = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Dropout(0.1)), nn.ModuleList([nn.Linear(48, n) for n in (10, 3, 1)])
    image, digit, holes, ink = torch.rand(batch, 64), torch.randint(0, 10, (batch,)), torch.randint(0, 3, (batch,)), torch.randn(batch, 1)

    def loss():
        hidden = trunk(image)
        a, b, c = [head(hidden) for head in heads]
        return F.cross_entropy(a, digit) + 0.5 * F.cross_entropy(b, holes) + 0.5 * F.mse_loss(c, ink)

    return trained(torch.optim.Adam([*trunk.parameters(), *heads.parameters()], lr=3e-3), loss)


def apartments(batch=32):
    model = dense(12, 32, 1).double()
    x, price = torch.randn(batch, 12, dtype=torch.float64), torch.randn(batch, 1, dtype=torch.float64)
    return trained(torch.optim.Adam(model.parameters(), lr=0.005), lambda: F.mse_loss(model(x), price))


LOOPS = [(recommender, 1000), (vae, 500), (gan, 100), (siamese, 500), (reverse, 100), (gpt, 20), (dqn, 500), (multi_task, 1000), (apartments, 1000)]
for make, runs in LOOPS:
    report(args, "torch", f"L_{make.__name__}", make, runs, 1e6, "us")
