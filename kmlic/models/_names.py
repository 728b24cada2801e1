"""Names by which other rooms find parts of a model."""

LOGITS = "logits"  # the layer that computes the logits (B, L)
POOL = "pool"  # the layer that pools the feature map (B, H, W, C)
ACTIVATION_MAPS = "activation_maps"  # the layer with one map per label (B, H, W, L)
EMBEDDING = "embedding"  # the layer whose output (B, D) is compared with word vectors
ATTENTION = "attention"  # the method of a layer that returns maps (B, H, W, E)
EXPORT_LAYER = "export_layer"  # the method that returns a layer's substitute in exports
