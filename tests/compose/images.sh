# Images under the real names, made here. Each is built once; its layers are kept with the engine's data.

make_stand_ins() {
    base_image
    rust_image
    kafka_images
    build_image postgres "postgres:$(version_of POSTGRES)"
    airflow_image
    python_image
    trusting_image
}

version_of() { # version_of NAME: of an image, as newcomers get it
    sed -n "s/^$1_VERSION=//p" .env.example
}

build_image() { # build_image STAND-IN NAME…: from its folder and what was put into its context
    local context=$WORK/context/$1
    mkdir -p "$context"
    cp -r "$HERE/stand-in/$1/." "$context"
    echo "Building the stand-in for $2" >&2
    # BuildKit needs a plug-in that Debian's docker.io does not bring; Compose has its own.
    DOCKER_BUILDKIT=0 docker build --quiet --tag "$2" "$context" > "$context.log" 2>&1 || {
        tail -n 20 "$context.log" >&2
        exit 1
    }
}

base_image() {
    docker image inspect debian:bookworm-slim > /dev/null 2>&1 && return
    echo "Making a Debian" >&2
    rm -rf "$WORK/debian"
    debootstrap --variant=minbase bookworm "$WORK/debian" > "$WORK/debootstrap.log"
    tar --create --directory "$WORK/debian" . | docker import - debian:bookworm-slim > /dev/null
}

rust_image() {
    local context=$WORK/context/rust version toolchain
    version=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
    toolchain=$version-$(uname -m)-unknown-linux-gnu
    docker image inspect "rust:$version-bookworm" > /dev/null 2>&1 && return
    rustup target add "$(uname -m)-unknown-linux-musl" >&2
    mkdir -p "$context/rustup/toolchains"
    cp -r "$(rustc --print sysroot)" "$context/rustup/toolchains/$toolchain"
    printf 'version = "12"\ndefault_toolchain = "%s"\n' "$toolchain" > "$context/rustup/settings.toml"
    cp -r "${CARGO_HOME:-$HOME/.cargo}/bin" "$context/"
    cp "$CA_FILE" "$context/"
    build_image rust "rust:$version-bookworm"
    rm -rf "$context"
}

kafka_images() {
    local version
    version=$(version_of CONFLUENT)
    jars_of 3.5.1
    build_image java "confluentinc/cp-kafka:$version"
    docker tag "confluentinc/cp-kafka:$version" "confluentinc/cp-zookeeper:$version"
    version=$(version_of KAFKA)
    jars_of "$version"
    build_image java "apache/kafka:$version"
}

jars_of() { # jars_of VERSION: Apache Kafka's, into the context of its image
    local folder=$WORK/kafka-$1
    if [ ! -d "$folder" ]; then
        mkdir -p "$WORK/pom"
        sed "s/3\.5\.1/$1/" crates/sandbox/maven/kafka.xml > "$WORK/pom/pom.xml"
        (cd "$WORK/pom" && mvn --batch-mode --quiet -DincludeScope=runtime -DoutputDirectory="$folder" \
            org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy-dependencies)
    fi
    mkdir -p "$WORK/context/java"
    rm -rf "$WORK/context/java/jars"
    cp -r "$folder" "$WORK/context/java/jars"
}

airflow_image() {
    mkdir -p "$WORK/context/airflow"
    cp "$CA_FILE" "$WORK/context/airflow/"
    cp dags/requirements/airflow-2.7.3.txt "$WORK/context/airflow/requirements.txt"
    build_image airflow "apache/airflow:$(version_of AIRFLOW)"
}

python_image() { # for dbt and Superset
    mkdir -p "$WORK/context/python"
    cp "$CA_FILE" "$WORK/context/python/"
    build_image python python:3.11-slim-bookworm
}

trusting_image() { # for what Maven fetches; named by build argument DEBIAN_RELEASE
    mkdir -p "$WORK/context/trusting"
    cp "$JAVA_CA_FILE" "$WORK/context/trusting/cacerts"
    build_image trusting debian:trusting-slim
}
