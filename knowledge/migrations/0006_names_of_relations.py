"""Name what passages, versions and indexes belong to."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("knowledge", "0005_documents_by_time"),
    ]

    operations = [
        migrations.AlterField(
            model_name="chunk",
            name="base",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="knowledge.knowledgebase",
                verbose_name="knowledge base",
            ),
        ),
        migrations.AlterField(
            model_name="chunk",
            name="document",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="chunks",
                to="knowledge.document",
                verbose_name="document",
            ),
        ),
        migrations.AlterField(
            model_name="chunk",
            name="generation",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="chunks",
                to="knowledge.indexgeneration",
                verbose_name="index generation",
            ),
        ),
        migrations.AlterField(
            model_name="chunk",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="chunks",
                to="knowledge.documentversion",
                verbose_name="version",
            ),
        ),
        migrations.AlterField(
            model_name="documentversion",
            name="document",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="versions",
                to="knowledge.document",
                verbose_name="document",
            ),
        ),
        migrations.AlterField(
            model_name="indexedversion",
            name="generation",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="indexed",
                to="knowledge.indexgeneration",
                verbose_name="index generation",
            ),
        ),
        migrations.AlterField(
            model_name="indexedversion",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="indexed",
                to="knowledge.documentversion",
                verbose_name="version",
            ),
        ),
        migrations.AlterField(
            model_name="indexgeneration",
            name="base",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="generations",
                to="knowledge.knowledgebase",
                verbose_name="knowledge base",
            ),
        ),
    ]
