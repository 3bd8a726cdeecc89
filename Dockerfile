# Built in two stages: compilers are needed once, for the SSH library's native ciphers, and are not in the image.

FROM node:24-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends python3 make g++ && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/sallyport
COPY package.json package-lock.json ./
COPY scripts ./scripts
COPY patches ./patches
# The postinstall patches the SSH library and builds its ciphers, with the headers of the Node from npm. The image has a
# Node of its own, of the same major version, so that second one is left behind.
RUN npm ci --omit=dev \
 && ls node_modules/ssh2/lib/protocol/crypto/build/Release/sshcrypto.node \
 && rm -rf node_modules/node-linux-* node_modules/.bin/node /root/.npm
COPY bin ./bin
COPY src ./src
COPY web ./web
COPY rules ./rules
COPY recordings/README.md ./recordings/README.md
COPY LICENSE README.md ./
RUN node node_modules/vite/bin/vite.js build web --logLevel warn

FROM node:24-slim
# A fixed id, so that the owner of a mounted folder can be set: chown 10001:10001.
RUN groupadd --gid 10001 sallyport \
 && useradd --uid 10001 --gid sallyport --no-create-home --home-dir /var/lib/sallyport --shell /usr/sbin/nologin sallyport \
 && install -d -o sallyport -g sallyport -m 0700 /var/lib/sallyport /var/lib/sallyport/recordings \
 && install -d -m 0755 /etc/sallyport
COPY --from=build /opt/sallyport /opt/sallyport
RUN ln -s /opt/sallyport/bin/sallyport.js /usr/local/bin/sallyport
USER sallyport
WORKDIR /var/lib/sallyport
ENV NODE_ENV=production \
    SALLYPORT_CONFIG=/etc/sallyport/sallyport.yaml \
    SALLYPORT_HEALTH_PORT=8443
# The ports that the configuration should listen on in here; publish them as you like: -p 22:2222 -p 443:8443
EXPOSE 2222 8443
VOLUME ["/var/lib/sallyport", "/var/lib/sallyport/recordings"]
# That the web listener accepts a connection. TLS or not, and whatever certificate it has for which name.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 CMD ["node", "-e", \
  "require('node:net').connect(process.env.SALLYPORT_HEALTH_PORT,'127.0.0.1').once('connect',()=>process.exit(0)).once('error',()=>process.exit(1))"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/opt/sallyport/bin/sallyport.js"]
CMD ["serve", "--config", "/etc/sallyport/sallyport.yaml"]
