"""A product that one room knows is known to the others under the same name, or says why not."""

from __future__ import annotations

import pytest

from leftopen.cause.registry import clouds, rules
from leftopen.reach.registry import protocols
from leftopen.trace.registry import formats

# One row a product: its name in reach, in cause and in trace. A text in place of a name says why
# that room does not know it.
SLICES = {
    "web server": ("http", "nginx", "clf"),
    "mail server": ("imap", "dovecot", "dovecot"),
    "FTP server": ("ftp", "vsftpd", "vsftpd"),
    "FTP transfers": ("ftp", "vsftpd", "xferlog"),
    "rsync daemon": ("rsync", "rsync", "its log names no bytes by default: a later issue"),
    "Redis": ("redis", "redis", "redis_info"),
    "PostgreSQL": ("postgresql", "postgresql", "logs no statement by default: a later issue"),
    "Elasticsearch": ("elasticsearch", "elasticsearch.yml: a later issue", "elasticsearch_stats"),
    "Azure Blob": (
        "azure_blob",
        "storage account gates: a later issue",
        "azure_storage_read",
    ),
    "Azure Blob, classic logs": (
        "azure_blob",
        "storage account gates: a later issue",
        "azure_storage_analytics",
    ),
    "memcached": ("memcached", "its command line: a later issue", "logs no reader: a later issue"),
    "POP3 server": ("pop3", "dovecot", "dovecot"),
    "MQTT broker": ("mqtt", "mosquitto.conf: a later issue", "its log names no topic read: later"),
    "NATS": ("nats", "nats.conf: a later issue", "logs connections only with -D: a later issue"),
    "beanstalkd": ("beanstalkd", "it knows no login", "it has no access log"),
    "LDAP directory": ("ldap", "slapd.conf and cn=config: a later issue", "stats log: later"),
    "Docker registry": (
        "docker_registry",
        "config.yml: a later issue",
        "access log: a later issue",
    ),
    "etcd": ("etcd", "flags and etcd.conf.yml: a later issue", "logs no read by default: later"),
    "InfluxDB": ("influxdb", "influxdb.conf: a later issue", "HTTP access log: a later issue"),
    "Prometheus": ("prometheus", "web.config: a later issue", "query log: a later issue"),
    "MongoDB": ("mongodb", "mongod.conf: a later issue", "its log names no bytes: a later issue"),
    "CouchDB": ("couchdb", "local.ini and _security: a later issue", "its log: a later issue"),
    "WebDAV": ("webdav", "dav_methods and mod_dav: a later issue", "clf reads it: see web server"),
    "S3": ("s3", "bucket policy and ACL: a later issue", "s3_access"),
    "S3, data events": ("s3", "bucket policy and ACL: a later issue", "cloudtrail"),
    "OpenSearch": ("opensearch", "opensearch.yml: a later issue", "elasticsearch_stats"),
    "Kibana": ("kibana", "kibana.yml: a later issue", "its log: a later issue"),
    "Solr": ("solr", "security.json: a later issue", "request log: a later issue"),
    "Meilisearch": ("meilisearch", "its flags: a later issue", "its log: a later issue"),
    "Qdrant": ("qdrant", "config.yaml: a later issue", "its log: a later issue"),
    "Weaviate": ("weaviate", "its environment: a later issue", "its log: a later issue"),
    "Chroma": ("chroma", "its environment: a later issue", "its log: a later issue"),
    "ArangoDB": ("arangodb", "arangod.conf: a later issue", "audit log: a later issue"),
    "Typesense": ("typesense", "it always asks for a key", "its log: a later issue"),
    "SMB shares": ("smb", "smb.conf: a later issue", "full_audit and event 5145: a later issue"),
    "MySQL": ("mysql", "my.cnf and accounts: a later issue", "general log names no bytes: later"),
    "ClickHouse": ("clickhouse", "users.xml: a later issue", "query_log: a later issue"),
    "ClickHouse native": (
        "clickhouse_native",
        "users.xml: a later issue",
        "query_log: a later issue",
    ),
    "Cassandra": ("cassandra", "cassandra.yaml: a later issue", "audit log: a later issue"),
    "Neo4j": ("neo4j", "neo4j.conf: a later issue", "query.log: a later issue"),
    "NFS server": ("nfs", "exports and ganesha.conf: a later issue", "names no reader: later"),
    "iSCSI target": ("iscsi", "targets.conf: a later issue", "it has no access log"),
    "NBD server": ("nbd", "nbd-server's config: a later issue", "its log names no bytes: later"),
    "ZooKeeper": ("zookeeper", "zoo.cfg and ACLs: a later issue", "logs no read by default: later"),
    "RabbitMQ management": ("rabbitmq", "rabbitmq.conf: a later issue", "its access log: later"),
    "AMQP broker": ("amqp", "rabbitmq.conf: a later issue", "its log names no queue read: later"),
    "Kafka": ("kafka", "server.properties: a later issue", "authorizer log: a later issue"),
    "Consul": ("consul", "acl stanza: a later issue", "audit log: a later issue"),
    "NATS monitor": ("nats_monitor", "http_port of nats.conf: a later issue", "no access log"),
    "Google Cloud Storage": ("gcs", "bucket policy: a later issue", "gcp_audit"),
    "web mail": ("webmail", "its config: a later issue", "userlogins log: a later issue"),
    "Jupyter": ("jupyter", "jupyter_server_config: a later issue", "its log: a later issue"),
    "copyparty": ("copyparty", "its volumes: a later issue", "its log: a later issue"),
    "Datasette": ("datasette", "metadata allow: a later issue", "it has no access log"),
    "json-server": ("json_server", "it knows no login", "it has no access log"),
    "Docker API": ("docker_api", "daemon.json: a later issue", "logs no request: later"),
    "Kubernetes API": ("kubernetes", "API server flags and RBAC: later", "audit log: later"),
    "kubelet": ("kubelet", "its config file: a later issue", "logs no request: later"),
    "Jenkins": ("jenkins", "config.xml: a later issue", "access log: a later issue"),
    "Grafana": ("grafana", "grafana.ini: a later issue", "router log: a later issue"),
    "Alertmanager": ("alertmanager", "web.config: a later issue", "it has no access log"),
    "Exporters": ("exporter", "web.config: a later issue", "they have no access log"),
    "VictoriaMetrics": ("victoriametrics", "its flags: a later issue", "logs no read: later"),
    "VNC": ("vnc", "its command line: a later issue", "its log: a later issue"),
    "X11": ("x11", "its command line: a later issue", "it has no access log"),
    "HTTP proxy": ("http_proxy", "squid.conf and tinyproxy.conf: later", "access.log: later"),
    "git daemon": ("git_daemon", "its command line: a later issue", "only with --verbose: later"),
    "DNS zone transfer": ("dns_zone", "named.conf: a later issue", "xfer-out log: a later issue"),
    "TFTP": ("tftp", "its command line: a later issue", "syslog only with -v: later"),
    "Nomad": ("nomad", "agent config and ACL: a later issue", "audit log: a later issue"),
    "Vault": ("vault", "it gives no secret without a token", "audit log: a later issue"),
    "HDFS": ("webhdfs", "core-site.xml: a later issue", "audit log: a later issue"),
    "YARN": ("yarn", "yarn-site.xml: a later issue", "its log: a later issue"),
    "Spark": ("spark", "spark-defaults.conf: a later issue", "its log: a later issue"),
    "Ray": ("ray", "it knows no login by default", "its log: a later issue"),
    "Dask": ("dask", "it knows no login", "its log: a later issue"),
    "Airflow": ("airflow", "airflow.cfg: a later issue", "its log: a later issue"),
    "Trino": ("trino", "config.properties: a later issue", "http-request.log: a later issue"),
    "HBase REST": ("hbase_rest", "hbase-site.xml: a later issue", "its log: a later issue"),
    "OrientDB": ("orientdb", "its server config: a later issue", "its log: a later issue"),
    "Firebase": ("firebase", "database rules: a later issue", "audit log: a later issue"),
    "Neo4j HTTP": ("neo4j_http", "neo4j.conf: a later issue", "http.log: a later issue"),
    "IPP printers": ("ipp", "cupsd.conf: a later issue", "access_log: a later issue"),
    "Subversion": ("svn", "svnserve.conf and authz: a later issue", "--log-file: a later issue"),
    "Gopher": ("gopher", "it knows no login", "its log: a later issue"),
    "Finger": ("finger", "it knows no login", "it has no access log"),
    "AFP shares": ("afp", "afp.conf: a later issue", "its log: a later issue"),
    "STOMP broker": ("stomp", "broker config: a later issue", "its log: a later issue"),
    "OpenWire broker": ("openwire", "activemq.xml: a later issue", "its log: a later issue"),
    "SQL Server": ("mssql", "nothing is served without a login", "audit: a later issue"),
    "SMTP server": ("smtp", "nothing is served without a login", "its log: a later issue"),
    "SSH server": ("ssh", "nothing is served without a login", "its log: a later issue"),
    "Azure network": ("a network, not a service", "azure_nsg", "azure_nsg_flow"),
    "Azure virtual network": ("a network, not a service", "azure_nsg", "azure_vnet_flow"),
    "AWS VPC": ("a network, not a service", "no rule: a later issue", "aws_vpc_flow"),
    "Google VPC": ("a network, not a service", "no rule: a later issue", "gcp_vpc_flow"),
    "NetFlow": ("a network, not a service", "no rule: a later issue", "nfdump"),
    "Zeek connections": ("a network, not a service", "no rule: a later issue", "zeek_conn"),
    "Zeek HTTP": ("a network, not a service", "no rule: a later issue", "zeek_http"),
    "Zeek files": ("a network, not a service", "no rule: a later issue", "zeek_files"),
    "Zeek losses": ("a network, not a service", "no rule: a later issue", "zeek_capture_loss"),
    "Suricata": ("a network, not a service", "no rule: a later issue", "suricata_eve"),
    "Netfilter": ("a network, not a service", "no rule: a later issue", "netfilter_log"),
    "Connection tracking": ("a network, not a service", "no rule: a later issue", "conntrack"),
    "Azure control plane": ("a network, not a service", "no rule: a later issue", "azure_activity"),
    "Azure metrics": ("a network, not a service", "no rule: a later issue", "azure_metrics"),
    "CloudWatch": ("a network, not a service", "no rule: a later issue", "cloudwatch_metrics"),
}
ROOMS = {
    0: {p.name for p in protocols()},
    1: {r.product for r in (*rules(), *clouds())},
    2: {f.name for f in formats()},
}


@pytest.mark.parametrize("room", ROOMS)
def test_every_plugin_stands_in_a_slice(room: int) -> None:
    assert ROOMS[room] <= {names[room] for names in SLICES.values()}


@pytest.mark.parametrize("product", SLICES)
def test_a_slice_names_plugins_or_gives_a_reason(product: str) -> None:
    for room, name in enumerate(SLICES[product]):
        assert name in ROOMS[room] or " " in name, f"{name}: neither a plugin nor a reason"
