/**
 * `--encryption-provider-config`: which objects are stored encrypted, and with which keys.
 *
 * Source: apiserver `pkg/apis/apiserver/validation/validation_encryption.go`, `pkg/server/options/encryptionconfig/config.go`;
 * kubernetes.io, Encrypting Confidential Data at Rest.
 */
import { aggregate, type ConfigFileKind, readConfigFile } from '#api/config-file.ts';
import { parseDuration } from '#api/duration.ts';
import { type FieldError, invalidField, invalidValue, required } from '#api/field-error.ts';

/** A key by its name, which stands in front of what it has encrypted; base64. */
export interface Key {
  name: string;
  secret: string;
}

/** A KMS plugin: its socket, and how long it may take (default 3 s). */
export interface KmsProvider {
  apiVersion?: string;
  name: string;
  endpoint: string;
  cachesize?: number;
  timeout?: string;
}

/** One of its fields is there. */
export interface ProviderConfiguration {
  aescbc?: { keys?: readonly Key[] };
  aesgcm?: { keys?: readonly Key[] };
  secretbox?: { keys?: readonly Key[] };
  identity?: object;
  kms?: KmsProvider;
}

/** An apiserver.config.k8s.io/v1 EncryptionConfiguration that has been checked. */
export interface EncryptionConfiguration {
  resources: readonly { resources: readonly string[]; providers: readonly ProviderConfiguration[] }[];
}

/** The file cannot be used. The message never holds a key. */
export class EncryptionConfigurationError extends Error {
  override name = 'EncryptionConfigurationError';
}

const keys = { fields: { keys: { list: { fields: { name: 'string', secret: 'string' } } } } } as const;
const file: ConfigFileKind = {
  kind: 'EncryptionConfiguration',
  apiVersions: ['apiserver.config.k8s.io/v1'],
  shape: {
    fields: {
      apiVersion: 'string',
      kind: 'string',
      metadata: 'any',
      resources: {
        list: {
          fields: {
            resources: { list: 'string' },
            providers: {
              list: {
                fields: {
                  aescbc: keys,
                  aesgcm: keys,
                  secretbox: keys,
                  identity: { fields: {} },
                  kms: {
                    fields: { apiVersion: 'string', name: 'string', endpoint: 'string', cachesize: 'number', timeout: 'string' },
                  },
                },
              },
            },
          },
        },
      },
    },
  },
  problem: EncryptionConfigurationError,
};

const aesSizes = [16, 24, 32];

/** @param text YAML or JSON @throws EncryptionConfigurationError in upstream's words */
export function parseEncryptionConfiguration(text: string): EncryptionConfiguration {
  const { resources = [] } = readConfigFile(text, file) as unknown as Partial<EncryptionConfiguration>;
  if (resources.length === 0)
    throw new EncryptionConfigurationError(aggregate([required('resources', 'at least one resources is required')]));
  const kmsNames = new Set<string>();
  const errors = resources.flatMap((entry: Partial<EncryptionConfiguration['resources'][number]>, index) => {
    const { resources: names = [], providers = [] } = entry;
    const path = `resources[${index}]`;
    return [
      ...(names.length === 0 ? [required(`${path}.resources`, `at least one ${path}.resources is required`)] : []),
      ...overlaps(names, `${path}.resources`),
      ...names.flatMap((name, at) => wrongName(name, `${path}.resources[${at}]`)),
      ...(providers.length === 0 ? [required(`${path}.providers`, `at least one ${path}.providers is required`)] : []),
      ...providers.flatMap((provider, at) => wrongProvider(provider, `${path}.providers[${at}]`, kmsNames)),
    ];
  });
  if (errors.length > 0) throw new EncryptionConfigurationError(aggregate(errors));
  const configuration = { resources };
  checkMasks(configuration);
  return configuration;
}

/** The group and resource that a name means: `secrets`, `deployments.apps`, `*.`, `*.apps`, `*.*`. */
export function groupResource(name: string): { group: string; resource: string } {
  const dot = name.indexOf('.');
  return dot < 0 ? { group: '', resource: name } : { group: name.slice(dot + 1), resource: name.slice(0, dot) };
}

/** An earlier entry must not hide a later one. */
function checkMasks({ resources }: EncryptionConfiguration): void {
  const seen = new Set<string>();
  for (const { resources: names } of resources)
    for (const name of names) {
      const { group, resource } = groupResource(name);
      if (resource !== '*' || group !== '*') {
        const masks = [...(resource === '*' ? [] : [`*.${group}`]), '*.*'].filter((mask) => seen.has(mask));
        if (masks[0] !== undefined)
          throw new EncryptionConfigurationError(
            `resource ${JSON.stringify(name)} is masked by earlier rule ${JSON.stringify(masks[0])}`,
          );
      }
      seen.add(`${resource}.${group}`);
    }
}

function overlaps(names: readonly string[], path: string): FieldError[] {
  const parsed = names.map(groupResource);
  const texts = parsed.map(({ group, resource }) => `${resource}.${group}`);
  const isRepeated = new Set(texts).size < texts.length;
  const hasMask = parsed.some(
    (one, index) =>
      parsed.some((other, at) => at !== index && other.group === one.group && one.resource === '*' && other.resource !== '*') ||
      (one.group === '*' && one.resource === '*' && names.length > 1),
  );
  return [
    ...(isRepeated ? [invalidValue(path, names, 'the same resource cannot be specified multiple times')] : []),
    ...(hasMask
      ? [
          invalidValue(
            path,
            names,
            "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked",
          ),
        ]
      : []),
  ];
}

const notStored = new Set(['apiserveripinfo', 'serviceipallocations', 'servicenodeportallocations']);

function wrongName(name: string, path: string): FieldError[] {
  const wrong = (why: string): FieldError[] => [invalidValue(path, name, why)];
  if (name.toLowerCase() !== name) return wrong('resource name should not contain capital letters');
  if (name === '*') return wrong("use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources");
  if (notStored.has(name)) return wrong('resources which do not have REST API/s cannot be encrypted');
  const { group, resource } = groupResource(name);
  if (group === 'events.k8s.io')
    return wrong(
      "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the config file",
    );
  if (group === 'extensions') return wrong("'extensions' group has been removed and cannot be used for encryption");
  if (group === '*' && resource !== '*') return wrong('encrypting the same resource across groups is not supported');
  return [];
}

function wrongProvider(provider: ProviderConfiguration, path: string, kmsNames: Set<string>): FieldError[] {
  const given = Object.keys(provider);
  if (given.length === 0)
    return [
      invalidField(path, 'provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity'),
    ];
  if (given.length > 1)
    return [
      invalidField(path, 'more than one provider specified in a single element, should split into different list elements'),
    ];
  const { aescbc, aesgcm, secretbox, kms } = provider;
  if (kms !== undefined) return wrongKms(kms, `${path}.kms`, kmsNames);
  if (aesgcm !== undefined) return wrongKeys(aesgcm.keys ?? [], `${path}.aesgcm.keys`, aesSizes);
  if (aescbc !== undefined) return wrongKeys(aescbc.keys ?? [], `${path}.aescbc.keys`, aesSizes);
  return secretbox === undefined ? [] : wrongKeys(secretbox.keys ?? [], `${path}.secretbox.keys`, [32]);
}

function wrongKeys(given: readonly Partial<Key>[], path: string, sizes: readonly number[]): FieldError[] {
  if (given.length === 0) return [required(path, 'at least one keys is required')];
  return given.flatMap(({ name = '', secret = '' }, index) => {
    const at = `${path}[${index}]`;
    return [
      ...(name === '' ? [required(`${at}.name`, 'name is a mandatory field for a key')] : []),
      ...(secret === ''
        ? [required(`${at}.secret`, 'secret is a mandatory field for a key')]
        : wrongSecret(secret, `${at}.secret`, sizes)),
    ];
  });
}

function wrongSecret(secret: string, path: string, sizes: readonly number[]): FieldError[] {
  const bytes = Buffer.from(secret, 'base64');
  if (bytes.toString('base64') !== secret.replaceAll(/[\r\n]/g, ''))
    return [invalidValue(path, 'REDACTED', 'secrets must be base64 encoded')];
  if (sizes.includes(bytes.length)) return [];
  return [
    invalidValue(
      path,
      'REDACTED',
      `secret is not of the expected length, got ${bytes.length}, expected one of [${sizes.join(' ')}]`,
    ),
  ];
}

function wrongKms(kms: Partial<KmsProvider>, path: string, names: Set<string>): FieldError[] {
  const { name = '', endpoint = '', apiVersion = 'v1', timeout = '3s', cachesize } = kms;
  const errors: FieldError[] = [];
  if (name === '') errors.push(required(`${path}.name`, 'name is a mandatory field for a provider'));
  else if (name.includes(':'))
    errors.push(invalidValue(`${path}.name`, name, `invalid KMS provider name ${name}, must not contain ':'`));
  else if (names.has(name))
    errors.push(invalidValue(`${path}.name`, name, `duplicate KMS provider name ${name}, names must be unique`));
  names.add(name);
  if (!isPositive(timeout)) errors.push(invalidValue(`${path}.timeout`, timeout, 'timeout should be a positive value'));
  if (endpoint === '') errors.push(required(`${path}.endpoint`, 'endpoint is a mandatory field for a kms'));
  else if (!endpoint.startsWith('unix://')) {
    const scheme = endpoint.split(':', 1)[0] ?? '';
    errors.push(
      invalidValue(
        `${path}.endpoint`,
        endpoint,
        `unsupported scheme ${JSON.stringify(scheme)} for KMS provider, only unix is supported`,
      ),
    );
  }
  if (cachesize !== undefined) errors.push(invalidValue(`${path}.cachesize`, cachesize, 'cachesize is not supported in v2'));
  if (apiVersion === 'v1')
    errors.push(
      invalidValue(
        `${path}.apiVersion`,
        apiVersion,
        'KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead.',
      ),
    );
  else if (apiVersion !== 'v2')
    errors.push(
      invalidValue(
        `${path}.apiVersion`,
        apiVersion,
        `unsupported apiVersion ${apiVersion} for KMS provider, only v1 and v2 are supported`,
      ),
    );
  return errors;
}

function isPositive(text: string): boolean {
  try {
    return parseDuration(text) > 0;
  } catch {
    // What is no duration is no positive one either; the caller says so.
    return false;
  }
}
