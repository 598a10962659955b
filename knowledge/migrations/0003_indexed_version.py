"""Note which document versions are whole in which generation of the index."""
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('knowledge', '0002_search_indexes'),
    ]

    operations = [
        migrations.CreateModel(
            name='IndexedVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('chunks', models.PositiveIntegerField(verbose_name='chunks')),
                ('generation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='indexed', to='knowledge.indexgeneration')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='indexed', to='knowledge.documentversion')),
            ],
            options={
                'verbose_name': 'indexed version',
                'verbose_name_plural': 'indexed versions',
                'ordering': ['generation', 'version'],
                'constraints': [models.UniqueConstraint(fields=('generation', 'version'), name='indexed_version_once_a_generation')],
            },
        ),
    ]
