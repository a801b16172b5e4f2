/**
 * The values of a header as they were sent: one for each header line. Node joins lines of one name with commas, which would make two groups
 * of `cn=admins,ou=people`.
 */

/** The headers of a request, whether it came by HTTP/1.1, HTTP/2 or a call within the process. */
export interface HeaderValues {
  /** The values in the order they came; empty if the header is absent. @param name in lower case */
  header(name: string): readonly string[];
  /** The names in lower case, each once. */
  headerNames(): Iterable<string>;
}

/** @param raw names and values alternately, as Node gives them. Pseudo-headers of HTTP/2 (`:path`) are left out */
export function headerValues(raw: readonly string[]): HeaderValues {
  let values: Map<string, string[]> | undefined;
  const read = (): Map<string, string[]> => {
    values = new Map();
    for (let index = 0; index + 1 < raw.length; index += 2) {
      const name = (raw[index] ?? '').toLowerCase();
      if (name.startsWith(':')) continue;
      const list = values.get(name);
      if (list === undefined) values.set(name, [textOf(raw[index + 1] ?? '')]);
      else list.push(textOf(raw[index + 1] ?? ''));
    }
    return values;
  };
  return {
    header: (name) => (values ?? read()).get(name) ?? [],
    headerNames: () => (values ?? read()).keys(),
  };
}

/** The headers of a call within the process, where several values of one name are joined with commas. */
export function joinedHeaderValues(headers: Readonly<Record<string, string>>): HeaderValues {
  return {
    header: (name) => (headers[name] ?? '').split(',').flatMap((value) => (value.trim() === '' ? [] : [value.trim()])),
    headerNames: () => Object.keys(headers),
  };
}

/** Node decodes headers as Latin-1. Go uses their bytes, which are UTF-8. */
function textOf(value: string): string {
  for (let index = 0; index < value.length; index++) {
    if (value.charCodeAt(index) > 0x7f) return Buffer.from(value, 'latin1').toString('utf8');
  }
  return value;
}
