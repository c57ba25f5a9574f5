"""The benchmark's work in PyTorch. Variants:

    eager      as installed: layers as most would write them, `torch.optim.Adam` as it is
    tuned      channels_last, fused attention, fused Adam
    compile    as eager, through `torch.compile`

The network is diffusers' `UNet2DModel`, as far as the benchmark's configurations use it, with its names.
"""

import peer


def open_work(variant, spec, weights, inputs):
    import torch

    torch.set_num_threads(spec["threads"])
    torch.manual_seed(0)
    works = {"training": Training, "sampling": Sampling, "roofline": Roofline}
    return works[spec["work"]](variant, spec, weights, inputs)


def network(variant, spec, weights):
    """The network of a configuration, with given weights; it must have them all and no others."""
    import torch
    from torch_unet import UNet

    peer.require_known(spec["config"])
    model = UNet(spec["config"], fused_attention=variant == "tuned")
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()}, strict=True)
    return model.to(memory_format=torch.channels_last) if variant == "tuned" else model


def images(array, variant):
    """NHWC on disk, NCHW in PyTorch: in memory too, unless tuned."""
    import torch

    nchw = torch.from_numpy(array).permute(0, 3, 1, 2)
    return nchw.contiguous(memory_format=torch.channels_last if variant == "tuned" else torch.contiguous_format)


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


class Training:
    """Noising, forward, mean squared error, backward, Adam, and a moving average of the weights."""

    def __init__(self, variant, spec, weights, inputs):
        import torch

        self.model = network(variant, spec, weights)
        self.predict = torch.compile(self.model) if variant == "compile" else self.model
        self.parameters = count(self.model)
        self.weights = list(self.model.parameters())
        self.average = [weight.detach().clone() for weight in self.weights]
        self.optimizer = torch.optim.Adam(
            self.weights, lr=spec["learning_rate"], fused=True if variant == "tuned" else None
        )
        self.decay = spec["average_decay"]
        self.signal, self.spread = (torch.from_numpy(inputs[name]) for name in ("signal", "spread"))
        self.batches = [
            (images(inputs[f"{k}.x0"], variant), images(inputs[f"{k}.noise"], variant),
             torch.from_numpy(inputs[f"{k}.t"]).long())
            for k in range(spec["batches"])
        ]
        self.taken = 0

    def step(self):
        import torch

        x0, noise, t = self.batches[self.taken % len(self.batches)]
        self.taken += 1
        xt = self.signal[t].view(-1, 1, 1, 1) * x0 + self.spread[t].view(-1, 1, 1, 1) * noise
        loss = torch.nn.functional.mse_loss(self.predict(xt, t), noise)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.weights, 1 - self.decay)
        return loss.item()

    def check(self):
        """The loss and the gradient's norm of one step on each batch, from the weights that were given."""
        import torch

        losses, norms = [], []
        for _ in self.batches:
            losses.append(self.step())
            norms.append(torch.nn.utils.get_total_norm([weight.grad for weight in self.weights]).item())
        return {"loss": losses, "gradient norm": norms}


class Sampling:
    """DDIM: the network's estimate of the noise, of x_0, clipped, and on to the next level of noise."""

    def __init__(self, variant, spec, weights, inputs):
        import torch

        self.model = network(variant, spec, weights).eval()
        self.predict = torch.compile(self.model) if variant == "compile" else self.model
        self.parameters = count(self.model)
        self.noise = images(inputs["noise"], variant)
        self.plans = {"check": spec["check_steps"], "run": spec["steps"]}
        self.x, self.taken = self.noise, 0

    def denoise(self, x, step):
        import torch

        with torch.inference_mode():
            t = torch.full((x.shape[0],), step["t"])
            epsilon = self.predict(x, t)
            x0 = ((x - step["spread"] * epsilon) / step["signal"]).clamp(-1, 1)
            return step["next_signal"] * x0 + step["next_spread"] * epsilon

    def step(self):
        plan = self.plans["run"]
        position = self.taken % len(plan)
        self.x = self.denoise(self.noise if position == 0 else self.x, plan[position])
        self.taken += 1

    def check(self):
        """The mean and the mean square of each sample."""
        x = self.noise
        for step in self.plans["check"]:
            x = self.denoise(x, step)
        return {"mean": x.mean((1, 2, 3)).tolist(), "mean square": x.square().mean((1, 2, 3)).tolist()}


class Roofline:
    """The best matrix products and convolutions, in GFLOP/s."""

    parameters = 0

    def __init__(self, variant, spec, weights, inputs):
        self.spec = spec

    def check(self):
        import torch

        def products(size):
            a, b = torch.randn(size, size), torch.randn(size, size)
            return 2e-6 * size**3 / peer.best_of(lambda: a @ b, self.spec["repetitions"])

        def convolutions(batch, channels, side):
            formats = (torch.contiguous_format, torch.channels_last)
            flops = 2 * 9 * batch * channels * channels * side * side
            return max(flops * 1e-6 / self.convolution(batch, channels, side, layout) for layout in formats)

        with torch.inference_mode():
            return {
                "product": [products(size) for size in self.spec["products"]],
                "convolution": [convolutions(*shape) for shape in self.spec["convolutions"]],
            }

    def convolution(self, batch, channels, side, layout):
        import torch

        x = torch.randn(batch, channels, side, side).contiguous(memory_format=layout)
        w = torch.randn(channels, channels, 3, 3).contiguous(memory_format=layout)
        return peer.best_of(lambda: torch.nn.functional.conv2d(x, w, padding=1), self.spec["repetitions"])


peer.serve("torch", ["OMP_NUM_THREADS", "MKL_NUM_THREADS"], open_work)
