from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # CONCURRENTLY: the shop goes on writing payments meanwhile

    dependencies = [
        ('payments', '0003_tallies'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='payment',
            index=models.Index(condition=models.Q(('status', 'held')), fields=['order'], name='held_payments'),
        ),
    ]
