"""The activities: each service by the client library that its users use."""

import io
import os
import time
import urllib.parse
import uuid

import pika
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from minio import Minio
from minio.error import S3Error
from temporalio import activity

_QUEUE = 'letters'
_SECONDS = 20.0


@activity.defn
def tell(name: str) -> str:
    """A variable of the worker's environment."""
    return os.environ.get(name, '')


@activity.defn
def drop(service: str, letter: str) -> None:
    """Leave a letter.

    Args:
        service: an endpoint of the worker's charm.
        letter: its text, which is like no other's.
    """
    {'kafka': _drop_kafka, 'amqp': _drop_amqp, 's3': _drop_s3}[service](letter)


@activity.defn
def fetch(service: str, letter: str) -> bool:
    """Whether a letter is there.

    Args:
        service: an endpoint of the worker's charm.
        letter: its text.
    """
    return {'kafka': _fetch_kafka, 'amqp': _fetch_amqp, 's3': _fetch_s3}[service](letter)


def _kafka() -> dict[str, str | int | float | bool]:
    options = {
        'bootstrap.servers': 'BOOTSTRAP_SERVERS',
        'security.protocol': 'SECURITY_PROTOCOL',
        'sasl.mechanism': 'SASL_MECHANISM',
        'sasl.username': 'USERNAME',
        'sasl.password': 'PASSWORD',
        'ssl.ca.pem': 'TLS_CA',
    }
    found = {option: os.environ.get(f'KAFKA_{name}', '') for option, name in options.items()}
    return {option: value for option, value in found.items() if value}


def _drop_kafka(letter: str) -> None:
    topic = os.environ['KAFKA_TOPIC']
    admin = AdminClient(_kafka())
    for made in admin.create_topics([NewTopic(topic, 1, 1)], operation_timeout=_SECONDS).values():
        try:
            made.result(_SECONDS)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    failed: list[KafkaError] = []
    producer = Producer(_kafka())
    producer.produce(topic, letter.encode(), on_delivery=lambda error, _: failed.append(error) if error else None)
    if left := producer.flush(_SECONDS):
        raise RuntimeError(f'{left} messages are not delivered')
    if failed:
        raise KafkaException(failed[0])


def _fetch_kafka(letter: str) -> bool:
    group = f'{os.environ["KAFKA_CONSUMER_GROUP_PREFIX"]}{uuid.uuid4()}'
    consumer = Consumer({**_kafka(), 'group.id': group, 'auto.offset.reset': 'earliest'})
    missing = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)
    try:
        # Raises where nobody answers, which polling does not.
        consumer.list_topics(timeout=_SECONDS)
        consumer.subscribe([os.environ['KAFKA_TOPIC']])
        # A broker that has just started takes its time to give a new group its partitions.
        end = time.monotonic() + 2 * _SECONDS
        while time.monotonic() < end:
            message = consumer.poll(0.5)
            if message is None:
                continue
            if error := message.error():
                if error.code() in missing:
                    return False
                raise KafkaException(error)
            if message.value() == letter.encode():
                return True
        return False
    finally:
        consumer.close()


def _drop_amqp(letter: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(os.environ['RABBITMQ_CONNECT_STRING'])) as connection:
        channel = connection.channel()
        channel.queue_declare(_QUEUE, durable=True)
        channel.confirm_delivery()
        # Kept when the broker is restarted.
        lasting = pika.BasicProperties(delivery_mode=2)
        channel.basic_publish('', _QUEUE, letter.encode(), lasting, mandatory=True)


def _fetch_amqp(letter: str) -> bool:
    with pika.BlockingConnection(pika.URLParameters(os.environ['RABBITMQ_CONNECT_STRING'])) as connection:
        channel = connection.channel()
        channel.queue_declare(_QUEUE, durable=True)
        # What is not acknowledged is there again when the channel is closed.
        while True:
            method, _, body = channel.basic_get(_QUEUE)
            if method is None or body == letter.encode():
                return method is not None


def _s3() -> Minio:
    endpoint = urllib.parse.urlsplit(os.environ['S3_ENDPOINT'])
    return Minio(
        endpoint.netloc,
        os.environ['S3_ACCESS_KEY'],
        os.environ['S3_SECRET_KEY'],
        secure=endpoint.scheme == 'https',
        region=os.environ.get('S3_REGION') or 'us-east-1',
    )


def _name(letter: str) -> str:
    return f'{os.environ.get("S3_PATH", "")}letters/{letter}'


def _drop_s3(letter: str) -> None:
    _s3().put_object(os.environ['S3_BUCKET'], _name(letter), io.BytesIO(letter.encode()), len(letter.encode()))


def _fetch_s3(letter: str) -> bool:
    try:
        response = _s3().get_object(os.environ['S3_BUCKET'], _name(letter))
    except S3Error as error:
        if error.code == 'NoSuchKey':
            return False
        raise
    try:
        return response.read() == letter.encode()
    finally:
        response.close()
        response.release_conn()
