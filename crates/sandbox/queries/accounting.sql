SELECT *
FROM accounting
ORDER BY topic, generation, partition
