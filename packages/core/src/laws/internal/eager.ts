import * as tf from "@tensorflow/tfjs"

/**
 * Runs tensor functions at once, on the plain backend of tfjs that every installation has: an evaluation that shares nothing
 * with the engines.
 */
export const eagerly = <A>(compute: () => A): A => {
  const before = tf.getBackend()
  // That backend recommends a faster one on its first use, which here would be noise.
  const isQuiet = tf.env().getBool("PROD")
  tf.env().set("PROD", true)
  void tf.setBackend("cpu")
  try {
    return tf.tidy(compute as () => tf.TensorContainer) as A
  } finally {
    tf.env().set("PROD", isQuiet)
    if (before !== undefined && before !== "cpu") void tf.setBackend(before)
  }
}
