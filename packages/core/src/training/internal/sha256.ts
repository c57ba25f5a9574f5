import { Effect } from "effect"
import { Digest } from "effect/crypto"

/** The SHA-256 of bytes, in lowercase hex; computed beside the event loop. */
export const sha256 = (bytes: Uint8Array): Effect.Effect<string> =>
  Digest.Digest.use((digest) => digest.digestHex(Digest.sha256, bytes)).pipe(Effect.provide(Digest.layerWebCrypto))
