"""Vector indexes for the numbers of dimensions that models in use have."""

from django.db import migrations

DIMENSIONS = (256, 384, 512, 1024, 2048)


def _index(dimensions):
    # The column takes any number of dimensions; an index needs one, so there is one for each.
    return migrations.RunSQL(
        sql=(
            f"CREATE INDEX chunk_embedding_{dimensions} ON knowledge_chunk "
            f"USING hnsw ((embedding::halfvec({dimensions})) halfvec_ip_ops) "
            f"WHERE dimensions = {dimensions}"
        ),
        reverse_sql=f"DROP INDEX IF EXISTS chunk_embedding_{dimensions}",
    )


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0001_initial")]

    operations = [_index(dimensions) for dimensions in DIMENSIONS]
