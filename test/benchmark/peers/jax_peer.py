"""The benchmark's work in JAX: whole steps through `jax.jit`, NHWC, the state donated from step to step.

The network is diffusers' `UNet2DModel`, as far as the benchmark's configurations use it. Its parameters are a flat record
by diffusers' names; filters of convolutions are kept as JAX likes them, [height, width, in, out].
"""

import functools

import peer


def open_work(variant, spec, weights, inputs):
    works = {"training": Training, "sampling": Sampling, "roofline": Roofline}
    return works[spec["work"]](spec, weights, inputs)


def placed(config, weights):
    """The weights on the device; they must be all that the network has and no others."""
    import jax.numpy as jnp
    from jax_unet import parameter_names

    peer.require_known(config)
    names = parameter_names(config)
    if set(names) != set(weights):
        raise ValueError(f"the network's parameters are not those given: {sorted(set(names) ^ set(weights))[:3]}")
    return {
        name: jnp.asarray(array.transpose(2, 3, 1, 0) if array.ndim == 4 else array) for name, array in weights.items()
    }


def count(weights):
    return sum(array.size for array in weights.values())


class Training:
    """Noising, forward, mean squared error, backward, Adam, and a moving average of the weights."""

    def __init__(self, spec, weights, inputs):
        import jax
        import jax.numpy as jnp

        config = spec["config"]
        parameters = placed(config, weights)
        zeros = lambda: jax.tree.map(jnp.zeros_like, parameters)
        self.parameters = count(weights)
        self.state = (parameters, zeros(), zeros(), jax.tree.map(jnp.copy, parameters), jnp.zeros((), jnp.int32))
        self.batches = [
            tuple(jnp.asarray(inputs[f"{k}.{name}"]) for name in ("x0", "noise", "t")) for k in range(spec["batches"])
        ]
        tables = jnp.asarray(inputs["signal"]), jnp.asarray(inputs["spread"])
        self.advance = jax.jit(functools.partial(training_step, spec, tables), donate_argnums=0)
        self.taken = 0

    def step(self):
        batch = self.batches[self.taken % len(self.batches)]
        self.taken += 1
        self.state, output = self.advance(self.state, batch)
        # Waits for the state too, not for the loss alone.
        self.state[0]["conv_in.weight"].block_until_ready()
        return tuple(float(value) for value in output)

    def check(self):
        """The loss and the gradient's norm of one step on each batch, from the weights that were given."""
        outputs = [self.step() for _ in self.batches]
        return {"loss": [loss for loss, _ in outputs], "gradient norm": [norm for _, norm in outputs]}


def training_step(spec, tables, state, batch):
    import jax
    import jax.numpy as jnp
    from jax_unet import predict

    weights, first, second, average, taken = state
    x0, noise, t = batch
    signal, spread = (table[t][:, None, None, None] for table in tables)

    def loss_of(weights):
        prediction = predict(spec["config"], weights, signal * x0 + spread * noise, t)
        return jnp.mean(jnp.square(prediction - noise))

    loss, gradient = jax.value_and_grad(loss_of)(weights)
    norm = jnp.sqrt(sum(jnp.sum(jnp.square(part)) for part in gradient.values()))
    taken = taken + 1
    # Adam, with the numbers and the place of epsilon of torch.optim.Adam.
    correction1, correction2 = 1 - 0.9**taken, jnp.sqrt(1 - 0.999**taken)
    first = jax.tree.map(lambda m, g: m + (g - m) * (1 - 0.9), first, gradient)
    second = jax.tree.map(lambda v, g: v * 0.999 + g * g * (1 - 0.999), second, gradient)
    rate = spec["learning_rate"] / correction1
    weights = jax.tree.map(
        lambda w, m, v: w - rate * m / (jnp.sqrt(v) / correction2 + 1e-8), weights, first, second
    )
    average = jax.tree.map(lambda a, w: a + (w - a) * (1 - spec["average_decay"]), average, weights)
    return (weights, first, second, average, taken), (loss, norm)


class Sampling:
    """DDIM: the network's estimate of the noise, of x_0, clipped, and on to the next level of noise."""

    def __init__(self, spec, weights, inputs):
        import jax
        import jax.numpy as jnp

        self.weights = placed(spec["config"], weights)
        self.parameters = count(weights)
        self.noise = jnp.asarray(inputs["noise"])
        self.plans = {"check": spec["check_steps"], "run": spec["steps"]}
        self.denoise = jax.jit(functools.partial(denoising_step, spec["config"]))
        self.x, self.taken = self.noise, 0

    def step(self):
        plan = self.plans["run"]
        position = self.taken % len(plan)
        self.x = self.denoise(self.weights, self.noise if position == 0 else self.x, plan[position])
        self.x.block_until_ready()
        self.taken += 1

    def check(self):
        """The mean and the mean square of each sample."""
        x = self.noise
        for step in self.plans["check"]:
            x = self.denoise(self.weights, x, step)
        return {"mean": x.mean((1, 2, 3)).tolist(), "mean square": (x * x).mean((1, 2, 3)).tolist()}


def denoising_step(config, weights, x, step):
    import jax.numpy as jnp
    from jax_unet import predict

    epsilon = predict(config, weights, x, jnp.full((x.shape[0],), step["t"]))
    x0 = jnp.clip((x - step["spread"] * epsilon) / step["signal"], -1, 1)
    return step["next_signal"] * x0 + step["next_spread"] * epsilon


class Roofline:
    """The best matrix products and convolutions, in GFLOP/s."""

    parameters = 0

    def __init__(self, spec, weights, inputs):
        self.spec = spec

    def check(self):
        import jax
        import jax.numpy as jnp
        from jax_unet import convolve

        product = jax.jit(jnp.matmul)
        convolution = jax.jit(functools.partial(convolve, padding=((1, 1), (1, 1))))
        random = functools.partial(jax.random.normal, jax.random.key(0))

        def best(flops, function, *arguments):
            wait = lambda: function(*arguments).block_until_ready()
            return flops * 1e-6 / peer.best_of(wait, self.spec["repetitions"])

        return {
            "product": [
                best(2 * size**3, product, random((size, size)), random((size, size))) for size in self.spec["products"]
            ],
            "convolution": [
                best(18 * n * c * c * side * side, convolution, random((n, side, side, c)), random((3, 3, c, c)))
                for n, c, side in self.spec["convolutions"]
            ],
        }


peer.serve("jax", ["NPROC"], open_work)
