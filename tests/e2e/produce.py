"""Writes records of any key, value and time into Kafka, through librdkafka."""

import ctypes

from harness import check

_END, _TOPIC, _PARTITION, _VALUE, _KEY, _FLAGS, _TIMESTAMP, _HEADERS = 0, 1, 3, 4, 5, 7, 8, 10
_PRODUCER, _COPY = 0, 2


class Producer:
    def __init__(self, brokers, **settings):
        self._lib = ctypes.CDLL("librdkafka.so.1")
        for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_headers_new"):
            getattr(self._lib, name).restype = ctypes.c_void_p
        conf = ctypes.c_void_p(self._lib.rd_kafka_conf_new())
        words = ctypes.create_string_buffer(512)
        for name, value in {"bootstrap.servers": brokers, "linger.ms": "5",
                            "message.max.bytes": "100000000", **settings}.items():
            done = self._lib.rd_kafka_conf_set(conf, name.replace("_", ".").encode(),
                                               value.encode(), words, ctypes.c_size_t(512))
            check(done == 0, words.value.decode())
        self._handle = ctypes.c_void_p(
            self._lib.rd_kafka_new(_PRODUCER, conf, words, ctypes.c_size_t(512)))
        check(self._handle, words.value.decode())
        self._is_transactional = False

    def send(self, topic, value, key=None, partition=0, timestamp_ms=None, headers=()):
        """`timestamp_ms`: None: now. `headers`: pairs of a name and bytes."""
        number = ctypes.c_int
        words = [number(_TOPIC), ctypes.c_char_p(topic.encode()),
                 number(_PARTITION), ctypes.c_int32(partition),
                 number(_VALUE), ctypes.c_char_p(value), ctypes.c_size_t(len(value)),
                 number(_FLAGS), number(_COPY)]
        if key is not None:
            words += [number(_KEY), ctypes.c_char_p(key), ctypes.c_size_t(len(key))]
        if timestamp_ms is not None:
            words += [number(_TIMESTAMP), ctypes.c_int64(timestamp_ms)]
        if headers:
            list_of = ctypes.c_void_p(self._lib.rd_kafka_headers_new(len(headers)))
            for name, text in headers:
                self._lib.rd_kafka_header_add(list_of, name.encode(), ctypes.c_ssize_t(-1), text,
                                              ctypes.c_ssize_t(len(text)))
            words += [number(_HEADERS), list_of]
        code = self._lib.rd_kafka_producev(self._handle, *words, number(_END))
        check(code == 0, f"producing to {topic}: error {code}")

    def begin(self):
        """The first call takes the transactional id."""
        if not self._is_transactional:
            self._call("rd_kafka_init_transactions", 30_000)
            self._is_transactional = True
        self._call("rd_kafka_begin_transaction")

    def commit(self):
        self._call("rd_kafka_commit_transaction", 30_000)

    def _call(self, name, *numbers):
        call = getattr(self._lib, name)
        call.restype = ctypes.c_void_p
        error = ctypes.c_void_p(call(self._handle, *map(ctypes.c_int, numbers)))
        if error:
            self._lib.rd_kafka_error_string.restype = ctypes.c_char_p
            check(False, f"{name}: {self._lib.rd_kafka_error_string(error)}")

    def flush(self):
        check(self._lib.rd_kafka_flush(self._handle, number_ms := 30_000) == 0,
              f"not all was delivered within {number_ms} ms")
