from .embed_labels import WordReport as WordReport
from .embed_labels import embed_labels as embed_labels
from .project import centre_word_vectors as centre_word_vectors
from .project import reduce_word_vectors as reduce_word_vectors
from .project import unit_vectors as unit_vectors
from .read_vectors import load_word_vectors as load_word_vectors
from .train_vectors import train_word_vectors as train_word_vectors
from .write_vectors import write_word_vectors as write_word_vectors
