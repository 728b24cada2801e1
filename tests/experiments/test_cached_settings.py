from kmlic.experiments import CachedSettings


def test_computes_no_features_unless_asked_to():
    assert not CachedSettings().cache_features
