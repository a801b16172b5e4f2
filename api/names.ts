/**
 * The formats of names, keys and values. Each check returns the reasons why a value is not allowed, in upstream's words; an empty
 * array means that it is allowed. Lengths count bytes, as in Go.
 *
 * Source: apimachinery `pkg/util/validation`, `pkg/api/validate/content` and `pkg/api/validation/generic.go`.
 */

const dns1123Label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const dns1123LabelUnderscore = '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const dns1123Subdomain = `${dns1123Label}(\\.${dns1123Label})*`;
const dns1123SubdomainUnderscore = `${dns1123LabelUnderscore}(\\.${dns1123LabelUnderscore})*`;
const dns1035Label = '[a-z]([-a-z0-9]*[a-z0-9])?';
const wildcardSubdomain = `\\*\\.${dns1123Subdomain}`;
const cIdentifier = '[A-Za-z_][A-Za-z0-9_]*';
const labelKey = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const labelValue = `(${labelKey})?`;
const percent = '[0-9]+%';
const httpHeaderName = '[-A-Za-z0-9]+';
const envVarName = '[-._a-zA-Z][-._a-zA-Z0-9]*';
const configMapKey = '[-._a-zA-Z0-9]+';

const whole = (pattern: string): RegExp => new RegExp(`^(?:${pattern})$`);
const patterns = {
  dns1123Label: whole(dns1123Label),
  dns1123Subdomain: whole(dns1123Subdomain),
  dns1123SubdomainUnderscore: whole(dns1123SubdomainUnderscore),
  dns1035Label: whole(dns1035Label),
  wildcardSubdomain: whole(wildcardSubdomain),
  cIdentifier: whole(cIdentifier),
  labelKey: whole(labelKey),
  labelValue: whole(labelValue),
  percent: whole(percent),
  httpHeaderName: whole(httpHeaderName),
  envVarName: whole(envVarName),
  configMapKey: whole(configMapKey),
};

const subdomainText =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const labelKeyText =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

/** Maximum length of an object's name, and of a DNS subdomain. */
export const subdomainMaxLength = 253;
/** Maximum length of a DNS label, a label value, and the name part of a label key. */
export const labelMaxLength = 63;

const bytes = (value: string): number => Buffer.byteLength(value);
const tooLongText = (max: number): string => `must be no more than ${max} characters`;
/**
 * The text about the length of label keys and values. Like upstream's it says bytes, while the text for DNS names says
 * characters.
 */
const tooManyBytesText = (max: number): string => `must be no more than ${max} bytes`;
const emptyText = 'must be non-empty';

/** The text `must be between 1 and 65535, inclusive`. */
export const inclusiveRangeText = (low: number, high: number): string => `must be between ${low} and ${high}, inclusive`;

function patternText(text: string, pattern: string, ...examples: string[]): string {
  if (examples.length === 0) return `${text} (regex used for validation is '${pattern}')`;
  return `${text} (e.g. ${examples.map((example) => `'${example}', `).join(' or ')}regex used for validation is '${pattern}')`;
}

/** A DNS label: the names of namespaces and containers, for example. */
export function isDns1123Label(value: string): string[] {
  const errors = bytes(value) > labelMaxLength ? [tooLongText(labelMaxLength)] : [];
  if (patterns.dns1123Label.test(value)) return errors;
  // The value is a valid subdomain but no label, so only the dots are wrong.
  if (patterns.dns1123Subdomain.test(value)) return [...errors, 'must not contain dots'];
  const text =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
  return [...errors, patternText(text, dns1123Label, 'my-name', '123-abc')];
}

/** A lower-case DNS name: the names of most objects. */
export function isDns1123Subdomain(value: string): string[] {
  const errors = bytes(value) > subdomainMaxLength ? [tooLongText(subdomainMaxLength)] : [];
  if (patterns.dns1123Subdomain.test(value)) return errors;
  return [...errors, patternText(subdomainText, dns1123Subdomain, 'example.com')];
}

/** Like {@link isDns1123Subdomain}, but underscores are allowed (pods' `dnsConfig.searches`). */
export function isDns1123SubdomainWithUnderscore(value: string): string[] {
  const errors = bytes(value) > subdomainMaxLength ? [tooLongText(subdomainMaxLength)] : [];
  if (patterns.dns1123SubdomainUnderscore.test(value)) return errors;
  const text =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character";
  return [...errors, patternText(text, dns1123SubdomainUnderscore, 'example.com')];
}

/** A DNS label that starts with a letter: the names of Services. */
export function isDns1035Label(value: string): string[] {
  const errors = bytes(value) > labelMaxLength ? [tooLongText(labelMaxLength)] : [];
  if (patterns.dns1035Label.test(value)) return errors;
  const text =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
  return [...errors, patternText(text, dns1035Label, 'my-name', 'abc-123')];
}

/** A wildcard domain such as `*.example.com` (hosts of an Ingress). */
export function isWildcardDns1123Subdomain(value: string): string[] {
  const errors = bytes(value) > subdomainMaxLength ? [tooLongText(subdomainMaxLength)] : [];
  if (patterns.wildcardSubdomain.test(value)) return errors;
  const text =
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
  return [...errors, patternText(text, wildcardSubdomain, '*.example.com')];
}

/** The prefix that was found valid last: the keys of an object mostly have the same. */
let lastPrefix: string | undefined;

/** A label or annotation key, a resource name, a finalizer: `name` or `dns.prefix/name` (upstream's IsQualifiedName). */
export function isQualifiedName(value: string): string[] {
  // A fast path: most keys are valid and have no prefix, and an object may have tens of thousands.
  if (value.length <= labelMaxLength && patterns.labelKey.test(value)) return [];
  const parts = value.split('/');
  if (parts.length > 2) {
    const text = patternText(labelKeyText, labelKey, 'MyName', 'my.name', '123-abc');
    return [`a valid label key ${text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  }
  const errors: string[] = [];
  const name = parts.at(-1) as string;
  if (parts.length === 2 && parts[0] !== lastPrefix) {
    const prefix = parts[0] as string;
    const wrong = prefix === '' ? [emptyText] : isDns1123Subdomain(prefix);
    if (wrong.length === 0) lastPrefix = prefix;
    else errors.push(...wrong.map((text) => `prefix part ${text}`));
  }
  if (name === '') errors.push(`name part ${emptyText}`);
  else if (bytes(name) > labelMaxLength) errors.push(`name part ${tooManyBytesText(labelMaxLength)}`);
  if (!patterns.labelKey.test(name))
    errors.push(`name part ${patternText(labelKeyText, labelKey, 'MyName', 'my.name', '123-abc')}`);
  return errors;
}

/** The value of a label. It may be empty. */
export function isValidLabelValue(value: string): string[] {
  // A fast path: nearly all values are valid, and a selector may have a hundred thousand.
  if (value.length <= labelMaxLength && patterns.labelValue.test(value)) return [];
  const errors = bytes(value) > labelMaxLength ? [tooManyBytesText(labelMaxLength)] : [];
  if (patterns.labelValue.test(value)) return errors;
  const text =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
  return [...errors, patternText(text, labelValue, 'MyValue', 'my_value', '12345')];
}

/** A C identifier. */
export function isCIdentifier(value: string): string[] {
  if (patterns.cIdentifier.test(value)) return [];
  const text =
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'";
  return [patternText(text, cIdentifier, 'my_name', 'MY_NAME', 'MyName')];
}

/** A number between `low` and `high`, inclusive. */
export function isInRange(value: number, low: number, high: number): string[] {
  return value >= low && value <= high ? [] : [inclusiveRangeText(low, high)];
}

/** A port number: 1 to 65535. */
export const isValidPortNum = (port: number): string[] => isInRange(port, 1, 65535);
/** A user id: 0 to 2147483647. */
export const isValidUserId = (id: number): string[] => isInRange(id, 0, 2147483647);
/** A group id: 0 to 2147483647. */
export const isValidGroupId = (id: number): string[] => isInRange(id, 0, 2147483647);

/** The name of a port (RFC 6335): up to 15 characters, with at least one letter. */
export function isValidPortName(name: string): string[] {
  const errors: string[] = [];
  if (bytes(name) > 15) errors.push(tooLongText(15));
  if (!/^[-a-z0-9]+$/.test(name)) errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(name)) errors.push('must contain at least one letter (a-z)');
  if (name.includes('--')) errors.push('must not contain consecutive hyphens');
  if (name.startsWith('-') || name.endsWith('-')) errors.push('must not begin or end with a hyphen');
  return errors;
}

/** A percentage such as `25%`. */
export function isValidPercent(value: string): string[] {
  if (patterns.percent.test(value)) return [];
  return [patternText("a valid percent string must be a numeric string followed by an ending '%'", percent, '1%', '93%')];
}

/** The name of an HTTP header. */
export function isHttpHeaderName(value: string): string[] {
  if (patterns.httpHeaderName.test(value)) return [];
  return [patternText("a valid HTTP header must consist of alphanumeric characters or '-'", httpHeaderName, 'X-Header-Name')];
}

/** The name of an environment variable, in the strict form. Since 1.34 a Pod may use {@link isRelaxedEnvVarName}. */
export function isEnvVarName(value: string): string[] {
  const text =
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit";
  const errors = patterns.envVarName.test(value)
    ? []
    : [patternText(text, envVarName, 'my.env-name', 'MY_ENV.NAME', 'MyEnvName1')];
  return [...errors, ...dotErrors(value)];
}

/** The name of an environment variable, in the relaxed form: printable ASCII characters except `=`. */
export function isRelaxedEnvVarName(value: string): string[] {
  if (value === '') return [`environment variable name ${emptyText}`];
  if (/^[ -<>-~]*$/.test(value)) return [];
  return ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
}

/** A key of a ConfigMap or Secret. It becomes a file name. */
export function isConfigMapKey(value: string): string[] {
  // A fast path: most keys are valid, and an object may have tens of thousands.
  if (value.length <= subdomainMaxLength && !value.startsWith('.') && patterns.configMapKey.test(value)) return [];
  const errors = bytes(value) > subdomainMaxLength ? [tooLongText(subdomainMaxLength)] : [];
  if (!patterns.configMapKey.test(value)) {
    const text = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
    errors.push(patternText(text, configMapKey, 'key.name', 'KEY_NAME', 'key-name'));
  }
  return [...errors, ...dotErrors(value)];
}

/** The errors of names that would lead out of their directory: `.`, `..` and names that begin with `..`. */
function dotErrors(value: string): string[] {
  if (value === '.') return ["must not be '.'"];
  if (value === '..') return ["must not be '..'"];
  return value.startsWith('..') ? ["must not start with '..'"] : [];
}

/** A name that is one segment of a URL path (roles, role bindings). */
export function isPathSegmentName(name: string): string[] {
  if (name === '.' || name === '..') return [`may not be '${name}'`];
  return ['/', '%'].filter((part) => name.includes(part)).map((part) => `may not contain '${part}'`);
}

/**
 * Checks an object's name. With `prefix` it checks a `generateName`, to which a suffix will be added and which may end with a
 * dash.
 */
export type NameCheck = (name: string, prefix: boolean) => string[];

/**
 * Copies upstream's maskTrailingDash, which replaces two characters and not one. Therefore a prefix such as `a.-` is accepted.
 */
const maskTrailingDash = (name: string): string => (name.length > 1 && name.endsWith('-') ? `${name.slice(0, -2)}a` : name);

const named =
  (check: (value: string) => string[]): NameCheck =>
  (name, prefix) =>
    check(prefix ? maskTrailingDash(name) : name);

/** A name that must be a DNS subdomain. */
export const nameIsDnsSubdomain: NameCheck = named(isDns1123Subdomain);
/** A name that must be a DNS label. */
export const nameIsDnsLabel: NameCheck = named(isDns1123Label);
/** A name that must be one segment of a URL path. */
export const nameIsPathSegment: NameCheck = (name, prefix) =>
  prefix ? ['/', '%'].filter((part) => name.includes(part)).map((part) => `may not contain '${part}'`) : isPathSegmentName(name);
