/** Flags by subcommand; those of `''` belong to each. The value of a flag is not checked. */
export interface Tool {
  /** Where the commands are documented. */
  readonly source: string;
  readonly commands: Readonly<Record<string, readonly string[]>>;
}

const KUBECTL_EVERYWHERE = ['--namespace', '-n', '--context', '--kubeconfig'];

/** The commands that the documentation uses of programs that tests cannot run. The help of Helm and of our own program is read instead. */
export const TOOLS: Readonly<Record<string, Tool>> = {
  brig: {
    source:
      'github.com/brigadecore/brigade v2.6.0, v2/cli/*.go; `event logs` and `login --insecure` as the real brig took them',
    commands: {
      login: ['--server', '--browse', '--password', '--root', '--insecure'],
      'event create': ['--project', '--source', '--type', '--payload', '--payload-file', '--follow'],
      'event list': ['--project', '--output'],
      'event retry': ['--id'],
      'event logs': ['--id', '--follow', '--job', '--container'],
      'project create': ['--file'],
      'project update': ['--file', '--create'],
      'project secret set': ['--project', '--set'],
      'role grant EVENT_CREATOR': ['--service-account', '--user', '--source'],
      'role list': ['--service-account', '--user', '--role', '--output'],
      'role revoke EVENT_CREATOR': ['--service-account', '--user', '--source'],
      'service-account create': ['--id', '--description'],
      'service-account lock': ['--id'],
      'service-account unlock': ['--id'],
    },
  },
  az: {
    source:
      'github.com/Azure/azure-cli, command_modules/acr/_params.py; learn.microsoft.com/cli/azure/acr/webhook, …/ad/app, …/ad/sp, …/eventgrid/event-subscription',
    commands: {
      '': ['--registry', '--name', '--resource-group', '--output', '--query', '--subscription'],
      'acr helm push': [],
      'acr repository untag': ['--image'],
      'acr webhook create': ['--uri', '--actions', '--headers', '--location', '--scope', '--status', '--tags'],
      'acr webhook update': ['--uri', '--actions', '--headers', '--scope', '--status', '--tags'],
      'acr webhook ping': [],
      'acr webhook list-events': [],
      'acr webhook get-config': [],
      'acr webhook delete': [],
      'ad app create': ['--display-name', '--identifier-uris'],
      'ad sp create': ['--id'],
      'eventgrid event-subscription create': [
        '--source-resource-id',
        '--endpoint',
        '--azure-active-directory-tenant-id',
        '--azure-active-directory-application-id-or-uri',
      ],
    },
  },
  kubectl: {
    source: 'kubectl 1.32: `kubectl SUBCOMMAND --help` and `kubectl options`',
    commands: {
      '': KUBECTL_EVERYWHERE,
      apply: ['--filename'],
      'create configmap': ['--from-file', '--from-literal'],
      'create namespace': [],
      'create secret generic': ['--from-file', '--from-literal'],
      'create secret tls': ['--cert', '--key'],
      delete: ['--selector', '--cascade'],
      describe: [],
      edit: [],
      exec: ['--container'],
      get: ['--output', '--selector', '--watch'],
      logs: ['--tail', '--follow', '--previous'],
      'port-forward': ['--address'],
      'rollout status': ['--timeout'],
    },
  },
  curl: {
    source: 'curl.se/docs/manpage.html',
    commands: { '': ['-H', '-d', '-X', '-u', '--silent', '--verbose'] },
  },
  docker: {
    source: 'docs.docker.com/reference/cli/docker',
    commands: { build: ['--build-arg', '--tag'], push: [] },
  },
  kind: {
    source: 'kind.sigs.k8s.io/docs/user/quick-start',
    commands: { 'create cluster': ['--config', '--name'], 'delete cluster': ['--name'] },
  },
  tilt: { source: 'docs.tilt.dev/cli/tilt_up.html', commands: { up: ['--file'] } },
  npm: { source: 'docs.npmjs.com/cli', commands: { ci: ['--omit', '--ignore-scripts'], run: [], start: [], test: [] } },
  openssl: {
    source: 'docs.openssl.org/3.0/man1',
    commands: { rand: ['-base64'], s_client: ['-connect', '-servername', '-showcerts'] },
  },
  // Of Debian and POSIX.
  base64: { source: 'coreutils', commands: { '': ['--decode'] } },
  cat: { source: 'coreutils', commands: { '': [] } },
  grep: { source: 'grep', commands: { '': ['-E'] } },
  sha256sum: { source: 'coreutils', commands: { '': [] } },
  sqlite3: { source: 'sqlite.org/cli.html', commands: { '': [] } },
  tr: { source: 'coreutils', commands: { '': ['-d'] } },
};
