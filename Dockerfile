# Four images from one build: docker build --target webhook -t …/webhook . ; the same with broker, gateway and cli.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p namesake-webhook -p namesake-broker -p namesake-gateway -p namesake-cli

# glibc and nothing else: no shell, no package manager, user 65532.
FROM gcr.io/distroless/cc-debian12:nonroot AS webhook
COPY --from=build /src/target/release/namesake-webhook /usr/local/bin/namesake-webhook
ENTRYPOINT ["namesake-webhook"]

FROM gcr.io/distroless/cc-debian12:nonroot AS broker
COPY --from=build /src/target/release/namesake-broker /usr/local/bin/namesake-broker
ENTRYPOINT ["namesake-broker"]

FROM gcr.io/distroless/cc-debian12:nonroot AS gateway
COPY --from=build /src/target/release/namesake-gateway /usr/local/bin/namesake-gateway
ENTRYPOINT ["namesake-gateway"]

FROM gcr.io/distroless/cc-debian12:nonroot AS cli
COPY --from=build /src/target/release/kubectl-namesake /usr/local/bin/kubectl-namesake
ENTRYPOINT ["kubectl-namesake"]
