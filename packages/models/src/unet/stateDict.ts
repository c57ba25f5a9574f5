/** Names of weights as older checkpoints have them. */

const deprecated: { readonly [name: string]: string } = {
  query: "to_q",
  key: "to_k",
  value: "to_v",
  proj_attn: "to_out.0"
}

/**
 * The same record with today's names for the attention layers: checkpoints of older diffusers versions (such as
 * `google/ddpm-cifar10-32`) have `query`, `key`, `value` and `proj_attn` for what is now `to_q`, `to_k`, `to_v` and
 * `to_out.0`. Other names stay.
 *
 * @example
 * UNet.renameDeprecated({ "mid_block.attentions.0.query.weight": tensor })
 * // => { "mid_block.attentions.0.to_q.weight": tensor }
 */
export const renameDeprecated = <A>(state: { readonly [name: string]: A }): { readonly [name: string]: A } =>
  Object.fromEntries(
    Object.entries(state).map(([name, tensor]) => [
      name.replace(
        /(?<=\.attentions\.\d+\.)(query|key|value|proj_attn)(?=\.(weight|bias)$)/u,
        (old) => deprecated[old] ?? old
      ),
      tensor
    ])
  )
