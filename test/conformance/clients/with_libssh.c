/* What libssh gets to see, one line each, the same by every way. */
#include <fcntl.h>
#include <libssh/libssh.h>
#include <libssh/sftp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ssh_session session;

static void fail(const char *what) {
  printf("%s: %s\n", what, ssh_get_error(session));
  exit(1);
}

static ssh_channel run(const char *command) {
  ssh_channel channel = ssh_channel_new(session);
  if (ssh_channel_open_session(channel) != SSH_OK) fail("open");
  if (ssh_channel_request_exec(channel, command) != SSH_OK) fail("exec");
  return channel;
}

static size_t drain(ssh_channel channel, int is_stderr, unsigned *sum) {
  char bytes[65536];
  size_t total = 0;
  int n;
  while ((n = ssh_channel_read(channel, bytes, sizeof bytes, is_stderr)) > 0) {
    for (int i = 0; i < n; i++) *sum = *sum * 31 + (unsigned char)bytes[i];
    total += n;
  }
  return total;
}

static void finish(const char *name, ssh_channel channel) {
  unsigned out = 0, err = 0;
  size_t out_bytes = drain(channel, 0, &out), err_bytes = drain(channel, 1, &err);
  printf("%s %d\n", name, ssh_channel_get_exit_status(channel));
  printf("  out %zu %u, err %zu %u\n", out_bytes, out, err_bytes, err);
  ssh_channel_close(channel);
  ssh_channel_free(channel);
}

static void copy_file(void) {
  static char bytes[300000], back[300000];
  char path[4096];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * 7);
  snprintf(path, sizeof path, "%s/by-libssh", getenv("WORK"));
  sftp_session sftp = sftp_new(session);
  if (sftp == NULL || sftp_init(sftp) != SSH_OK) fail("sftp");
  sftp_file file = sftp_open(sftp, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  for (size_t at = 0; at < sizeof bytes; at += 30000) sftp_write(file, bytes + at, 30000);
  sftp_close(file);
  file = sftp_open(sftp, path, O_RDONLY, 0);
  size_t at = 0;
  ssize_t n;
  while ((n = sftp_read(file, back + at, sizeof back - at)) > 0) at += n;
  sftp_close(file);
  printf("sftp %zu %d\n", at, memcmp(bytes, back, sizeof bytes));
  printf("none %d\n", sftp_open(sftp, "/none/at/all", O_RDONLY, 0) == NULL ? sftp_get_error(sftp) : -1);
  sftp_free(sftp);
}

int main(void) {
  int no = 0;
  session = ssh_new();
  ssh_options_set(session, SSH_OPTIONS_HOST, getenv("ADDRESS"));
  ssh_options_set(session, SSH_OPTIONS_PORT_STR, getenv("PORT"));
  ssh_options_set(session, SSH_OPTIONS_USER, getenv("USERNAME"));
  ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &no);
  if (getenv("PROXY")) ssh_options_set(session, SSH_OPTIONS_PROXYCOMMAND, getenv("PROXY"));
  if (ssh_connect(session) != SSH_OK) fail("connect");
  ssh_key key;
  if (ssh_pki_import_privkey_file(getenv("KEY"), NULL, NULL, NULL, &key) != SSH_OK) fail("key");
  if (ssh_userauth_publickey(session, NULL, key) != SSH_AUTH_SUCCESS) fail("sign-in");
  finish("exec", run("echo out; echo err >&2; exit 7"));
  ssh_channel channel = run("cat; exit 3");
  char line[] = "to and fro\n";
  for (int i = 0; i < 20000; i++) ssh_channel_write(channel, line, sizeof line - 1);
  ssh_channel_send_eof(channel);
  finish("cat", channel);
  finish("large", run("head -c 5000000 /dev/zero"));
  channel = ssh_channel_new(session);
  ssh_channel_open_session(channel);
  ssh_channel_request_env(channel, "LC_LIB", "ssh");
  ssh_channel_request_pty_size(channel, "xterm", 120, 40);
  ssh_channel_change_pty_size(channel, 60, 20);
  ssh_channel_request_exec(channel, "stty size; echo $LC_LIB");
  finish("terminal", channel);
  copy_file();
  ssh_disconnect(session);
  ssh_free(session);
  printf("done\n");
  return 0;
}
