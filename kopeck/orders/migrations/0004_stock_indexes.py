from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # CONCURRENTLY: the shop goes on writing orders meanwhile

    dependencies = [
        ('orders', '0003_sold_out'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(condition=models.Q(('status', 'open')), fields=['created'], name='orders_left_open'),
        ),
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(condition=models.Q(('status__in', ('paid', 'partly_refunded')), models.Q(('sold_out', ''), _negated=True)), fields=['id'], name='orders_to_give_back'),
        ),
    ]
