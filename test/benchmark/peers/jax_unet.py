"""diffusers' `UNet2DModel` as a function in JAX, as far as the benchmark's configurations use it. Images are NHWC."""

import jax
import jax.numpy as jnp

from peer import frequencies


def parameter_names(config):
    """The names that the network reads, found by tracing it."""
    read = Names()
    side, size = config["sample_size"], config["in_channels"]
    trace = lambda x, t: predict(config, read, x, t, names_only=True)
    jax.eval_shape(trace, jax.ShapeDtypeStruct((1, side, side, size), "float32"), jax.ShapeDtypeStruct((1,), "int32"))
    return read.names


class Names(dict):
    """Stands in for parameters while their names are collected."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __getitem__(self, name):
        self.names.append(name)
        return None


def predict(config, weights, x, t, names_only=False):
    """The network's prediction, shaped as x. With `names_only` layers only read the names of their weights."""
    net = Layers(config, weights, names_only)
    channels = config["block_out_channels"]
    levels, layers = len(channels), config["layers_per_block"]
    embedding = net.time_embedding(t)
    x = net.convolution("conv_in", 2 * x - 1 if config["center_input_sample"] else x, channels[0])
    skips = [x]
    for level, kind in enumerate(config["down_block_types"]):
        path = f"down_blocks.{level}"
        for index in range(layers):
            x = net.layer(path, index, x, embedding, channels[level], kind.startswith("Attn"))
            skips.append(x)
        if level < levels - 1:
            padding = ((0, 1), (0, 1)) if config["downsample_padding"] == 0 else ((1, 1), (1, 1))
            x = net.convolution(f"{path}.downsamplers.0.conv", x, channels[level], padding, 2)
            skips.append(x)

    scale = config["mid_block_scale_factor"]
    x = net.resnet("mid_block.resnets.0", x, embedding, channels[-1], scale)
    if config["add_attention"]:
        x = net.attention("mid_block.attentions.0", x, config["attn_norm_num_groups"], scale)
    x = net.resnet("mid_block.resnets.1", x, embedding, channels[-1], scale)

    for stage, kind in enumerate(config["up_block_types"]):
        path, outputs = f"up_blocks.{stage}", channels[levels - 1 - stage]
        for index in range(layers + 1):
            x = jnp.concatenate([x, skips.pop()], 3)
            x = net.layer(path, index, x, embedding, outputs, kind.startswith("Attn"))
        if stage < levels - 1:
            x = jnp.repeat(jnp.repeat(x, 2, 1), 2, 2)
            x = net.convolution(f"{path}.upsamplers.0.conv", x, outputs)
    x = jax.nn.silu(net.norm("conv_norm_out", x))
    return net.convolution("conv_out", x, config["out_channels"])


def convolve(x, filter, padding, stride=1):
    return jax.lax.conv_general_dilated(
        x, filter, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


class Layers:
    """The layers of a network over its flat record of parameters."""

    def __init__(self, config, weights, names_only):
        self.config, self.weights, self.names_only = config, weights, names_only

    def read(self, path):
        return self.weights[f"{path}.weight"], self.weights[f"{path}.bias"]

    def convolution(self, path, x, outputs, padding=((1, 1), (1, 1)), stride=1):
        weight, bias = self.read(path)
        if self.names_only:
            return jnp.zeros((x.shape[0], x.shape[1] // stride, x.shape[2] // stride, outputs))
        return convolve(x, weight, padding, stride) + bias

    def linear(self, path, x, outputs):
        weight, bias = self.read(path)
        return jnp.zeros((*x.shape[:-1], outputs)) if self.names_only else x @ weight.T + bias

    def norm(self, path, x, groups=None):
        weight, bias = self.read(path)
        if self.names_only:
            return x
        batch, height, width, channels = x.shape
        grouped = x.reshape(batch, height, width, groups or self.config["norm_num_groups"], -1)
        mean = grouped.mean((1, 2, 4), keepdims=True)
        variance = jnp.square(grouped - mean).mean((1, 2, 4), keepdims=True)
        normal = (grouped - mean) * jax.lax.rsqrt(variance + self.config["norm_eps"])
        return normal.reshape(x.shape) * weight + bias

    def time_embedding(self, t):
        channels = self.config["block_out_channels"][0]
        size = self.config["time_embedding_dim"] or 4 * channels
        angles = t[:, None].astype(jnp.float32) * jnp.asarray(frequencies(self.config), jnp.float32)
        halves = [jnp.sin(angles), jnp.cos(angles)]
        features = jnp.concatenate(halves[::-1] if self.config["flip_sin_to_cos"] else halves, 1)
        hidden = jax.nn.silu(self.linear("time_embedding.linear_1", features, size))
        return jax.nn.silu(self.linear("time_embedding.linear_2", hidden, size))

    def resnet(self, path, x, embedding, outputs, scale=1):
        hidden = self.convolution(f"{path}.conv1", jax.nn.silu(self.norm(f"{path}.norm1", x)), outputs)
        hidden = hidden + self.linear(f"{path}.time_emb_proj", embedding, outputs)[:, None, None, :]
        hidden = self.convolution(f"{path}.conv2", jax.nn.silu(self.norm(f"{path}.norm2", hidden)), outputs)
        same = x.shape[3] == outputs
        shortcut = x if same else self.convolution(f"{path}.conv_shortcut", x, outputs, ((0, 0), (0, 0)))
        return (shortcut + hidden) / scale

    def attention(self, path, x, groups=None, scale=1):
        batch, height, width, channels = x.shape
        rows = self.norm(f"{path}.group_norm", x, groups).reshape(batch, height * width, channels)
        size = self.config["attention_head_dim"] or channels
        heads = lambda name: self.linear(f"{path}.{name}", rows, channels).reshape(batch, height * width, -1, size)
        q, k, v = heads("to_q"), heads("to_k"), heads("to_v")
        scores = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k) * size**-0.5, -1)
        attended = jnp.einsum("bhqk,bkhd->bqhd", scores, v).reshape(rows.shape)
        return (x + self.linear(f"{path}.to_out.0", attended, channels).reshape(x.shape)) / scale

    def layer(self, path, index, x, embedding, outputs, attends):
        x = self.resnet(f"{path}.resnets.{index}", x, embedding, outputs)
        return self.attention(f"{path}.attentions.{index}", x) if attends else x
