"""Creates the table of handovers."""

from django.db import migrations, models


class Migration(migrations.Migration):  # type: ignore[misc] # Django has no types
    """The first."""

    initial = True
    dependencies = ()
    operations = (
        migrations.CreateModel(
            name="HandoverRow",
            fields=[
                ("seq", models.BigAutoField(primary_key=True, serialize=False)),
                ("message_id", models.CharField(max_length=200)),
                ("account", models.CharField(max_length=64)),
                ("app", models.CharField(blank=True, max_length=64)),
                ("content", models.TextField()),
                ("put_ms", models.BigIntegerField()),
                ("refused_ms", models.BigIntegerField(blank=True, null=True)),
                ("error", models.TextField(blank=True)),
            ],
            options={
                "db_table": "sluicegate_handover",
                "indexes": [
                    models.Index(fields=["refused_ms", "seq"], name="sluicegate_handover_due")
                ],
            },
        ),
    )
