"""Create Order."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies: ClassVar = []
    operations: ClassVar = [
        migrations.CreateModel(
            name="Order",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("to", models.CharField(max_length=16)),
                ("shipped_at", models.DateTimeField(null=True)),
                ("untextable", models.CharField(blank=True, default="", max_length=200)),
            ],
        ),
    ]
