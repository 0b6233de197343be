"""The streamer's work as a Spark Structured Streaming job, as the replaced system had it: append mode, JDBC.

Counts and sums per minute of event time, type and region, late by at most two minutes. Append mode writes a window
when the watermark has passed its end, so the last windows of a topic stay open until newer events come: the job
runs until it is stopped. Kinder to Spark than the replaced job: batches follow each other without waiting 30 s, and
4 shuffle partitions instead of 200.
Environment: KAFKA_BOOTSTRAP_SERVERS, KAFKA_TOPIC, JDBC_URL, DATABASE_USER, DATABASE_PASSWORD, CHECKPOINT (a folder),
SPARK_CLASS_PATH.
"""

import os

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import coalesce, col, count, from_json, lit, sum as sum_of, window

EVENT = (
    "event_type STRING, region STRING, duration_seconds INT, data_mb DECIMAL(12, 2), amount DECIMAL(12, 2), "
    "timestamp TIMESTAMP"
)


def main() -> None:
    """Runs until it is stopped."""
    spark = (
        SparkSession.builder.appName("real-time-metrics")
        .master("local[2]")
        .config("spark.driver.extraClassPath", os.environ["SPARK_CLASS_PATH"])
        .config("spark.driver.memory", "1g")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "4")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("WARN")
    records = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", os.environ["KAFKA_BOOTSTRAP_SERVERS"])
        .option("subscribe", os.environ["KAFKA_TOPIC"])
        .option("startingOffsets", "earliest")
        .load()
    )
    events = records.select(from_json(col("value").cast("string"), EVENT).alias("event")).select("event.*")
    query = (
        metrics(events)
        .writeStream.outputMode("append")
        .option("checkpointLocation", os.environ["CHECKPOINT"])
        .foreachBatch(write)
        .start()
    )
    query.awaitTermination()


def metrics(events: DataFrame) -> DataFrame:
    """A row per minute, type and region, with the columns of real_time_metrics."""
    grouped = (
        events.withWatermark("timestamp", "2 minutes")
        .groupBy(window("timestamp", "1 minute"), "event_type", "region")
        .agg(
            count(lit(1)).alias("event_count"),
            coalesce(sum_of("duration_seconds"), lit(0)).alias("total_duration"),
            coalesce(sum_of("data_mb"), lit(0)).cast("double").alias("total_data_mb"),
            coalesce(sum_of("amount"), lit(0)).cast("double").alias("total_amount"),
        )
    )
    return grouped.select(
        col("window.start").alias("window_start"), col("window.end").alias("window_end"), "event_type", "region",
        "event_count", "total_duration", "total_data_mb", "total_amount",
    )


def write(batch: DataFrame, _batch_number: int) -> None:
    """Appends a batch's windows to the table."""
    (
        batch.write.format("jdbc")
        .option("url", os.environ["JDBC_URL"])
        .option("driver", "org.postgresql.Driver")
        .option("dbtable", "real_time_metrics")
        .option("user", os.environ["DATABASE_USER"])
        .option("password", os.environ["DATABASE_PASSWORD"])
        .mode("append")
        .save()
    )


if __name__ == "__main__":
    main()
