/* Where TensorFlow keeps its C strings, for archives that do not have them under the name that the addon includes. */
#if __has_include("tsl/platform/ctstring_internal.h")
#include "tsl/platform/ctstring_internal.h"
#elif __has_include("xla/tsl/platform/ctstring_internal.h")
#include "xla/tsl/platform/ctstring_internal.h"
#else
#include "tensorflow/tsl/platform/ctstring_internal.h"
#endif
