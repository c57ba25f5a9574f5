"""diffusers' `UNet2DModel` in PyTorch, as far as the benchmark's configurations use it: same names, same numbers."""

import torch
from torch import nn
from torch.nn import functional

from peer import frequencies


class TimestepEmbedding(nn.Module):
    def __init__(self, config, size, outputs):
        super().__init__()
        self.linear_1 = nn.Linear(size, outputs)
        self.linear_2 = nn.Linear(outputs, outputs)
        self.cosines_first = config["flip_sin_to_cos"]
        self.register_buffer("omega", torch.tensor(frequencies(config), dtype=torch.float32), persistent=False)

    def forward(self, t):
        angles = t[:, None].float() * self.omega
        halves = (angles.cos(), angles.sin()) if self.cosines_first else (angles.sin(), angles.cos())
        return self.linear_2(functional.silu(self.linear_1(torch.cat(halves, 1))))


class ResnetBlock(nn.Module):
    def __init__(self, config, inputs, outputs, embedding, scale=1.0):
        super().__init__()
        groups, epsilon = config["norm_num_groups"], config["norm_eps"]
        self.norm1 = nn.GroupNorm(groups, inputs, epsilon)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time_emb_proj = nn.Linear(embedding, outputs)
        self.norm2 = nn.GroupNorm(groups, outputs, epsilon)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None
        self.scale = scale

    def forward(self, x, embedding):
        hidden = self.conv1(functional.silu(self.norm1(x)))
        hidden = hidden + self.time_emb_proj(embedding)[:, :, None, None]
        hidden = self.conv2(functional.silu(self.norm2(hidden)))
        return ((x if self.conv_shortcut is None else self.conv_shortcut(x)) + hidden) / self.scale


class Attention(nn.Module):
    def __init__(self, config, channels, fused, groups=None, scale=1.0):
        super().__init__()
        self.group_norm = nn.GroupNorm(groups or config["norm_num_groups"], channels, config["norm_eps"])
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])
        self.head_size = config["attention_head_dim"] or channels
        self.fused, self.scale = fused, scale

    def forward(self, x):
        batch, channels, height, width = x.shape
        rows = self.group_norm(x).flatten(2).transpose(1, 2)
        split = lambda y: y.unflatten(2, (-1, self.head_size)).transpose(1, 2)
        attended = self.attend(split(self.to_q(rows)), split(self.to_k(rows)), split(self.to_v(rows)))
        rows = self.to_out[0](attended.transpose(1, 2).flatten(2))
        return (x + rows.transpose(1, 2).unflatten(2, (height, width))) / self.scale

    def attend(self, q, k, v):
        if self.fused:
            return functional.scaled_dot_product_attention(q, k, v)
        return torch.softmax(q @ k.transpose(2, 3) * self.head_size**-0.5, -1) @ v


class Resampler(nn.Module):
    """Half the size, or twice the size."""

    def __init__(self, channels, padding=None):
        super().__init__()
        self.padding = padding
        stride = 1 if padding is None else 2
        self.conv = nn.Conv2d(channels, channels, 3, stride=stride, padding=1 if padding is None else padding)

    def forward(self, x):
        if self.padding is None:
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        elif self.padding == 0:
            x = functional.pad(x, (0, 1, 0, 1))
        return self.conv(x)


class Level(nn.Module):
    """Residual blocks, each with attention after it where the level attends, and the way to the next level."""

    def __init__(self, resnets, attentions):
        super().__init__()
        self.resnets = nn.ModuleList(resnets)
        self.attentions = nn.ModuleList(attentions)

    def layer(self, index, x, embedding):
        x = self.resnets[index](x, embedding)
        return self.attentions[index](x) if len(self.attentions) > 0 else x


class UNet(nn.Module):
    def __init__(self, config, fused_attention):
        super().__init__()
        channels = config["block_out_channels"]
        levels, layers = len(channels), config["layers_per_block"]
        embedding = config["time_embedding_dim"] or 4 * channels[0]
        self.center = config["center_input_sample"]
        self.conv_in = nn.Conv2d(config["in_channels"], channels[0], 3, padding=1)
        self.time_embedding = TimestepEmbedding(config, channels[0], embedding)

        def level(inputs, outputs, attends):
            return Level(
                [ResnetBlock(config, count, outputs, embedding) for count in inputs],
                [Attention(config, outputs, fused_attention) for _ in inputs if attends],
            )

        self.down_blocks, skips = nn.ModuleList(), [channels[0]]
        for index, (kind, outputs) in enumerate(zip(config["down_block_types"], channels)):
            before = channels[max(index - 1, 0)]
            block = level([before] + [outputs] * (layers - 1), outputs, kind.startswith("Attn"))
            skips += [outputs] * layers
            if index < levels - 1:
                block.downsamplers = nn.ModuleList([Resampler(outputs, config["downsample_padding"])])
                skips.append(outputs)
            self.down_blocks.append(block)

        coarsest, scale = channels[-1], config["mid_block_scale_factor"]
        attention = Attention(config, coarsest, fused_attention, config["attn_norm_num_groups"], scale)
        self.mid_block = Level(
            [ResnetBlock(config, coarsest, coarsest, embedding, scale) for _ in range(2)],
            [attention] if config["add_attention"] else [],
        )

        self.up_blocks = nn.ModuleList()
        for index, kind in enumerate(config["up_block_types"]):
            outputs, before = channels[levels - 1 - index], channels[min(levels - index, levels - 1)]
            hidden = [before] + [outputs] * layers
            block = level([count + skips.pop() for count in hidden], outputs, kind.startswith("Attn"))
            if index < levels - 1:
                block.upsamplers = nn.ModuleList([Resampler(outputs)])
            self.up_blocks.append(block)

        self.conv_norm_out = nn.GroupNorm(config["norm_num_groups"], channels[0], config["norm_eps"])
        self.conv_out = nn.Conv2d(channels[0], config["out_channels"], 3, padding=1)

    def forward(self, x, t):
        embedding = functional.silu(self.time_embedding(t))
        x = self.conv_in(2 * x - 1 if self.center else x)
        skips = [x]
        for block in self.down_blocks:
            for index in range(len(block.resnets)):
                x = block.layer(index, x, embedding)
                skips.append(x)
            if hasattr(block, "downsamplers"):
                x = block.downsamplers[0](x)
                skips.append(x)
        x = self.mid_block.resnets[0](x, embedding)
        for attention in self.mid_block.attentions:
            x = attention(x)
        x = self.mid_block.resnets[1](x, embedding)
        for block in self.up_blocks:
            for index in range(len(block.resnets)):
                x = block.layer(index, torch.cat([x, skips.pop()], 1), embedding)
            if hasattr(block, "upsamplers"):
                x = block.upsamplers[0](x)
        return self.conv_out(functional.silu(self.conv_norm_out(x)))
