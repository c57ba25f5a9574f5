/** A worker whose module does not load. */
throw new Error("this module is broken")
