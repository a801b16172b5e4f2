/**
 * The values of a header as they were sent: one for each line. Node joins lines of one name with commas, and a group such as
 * `cn=admins,ou=people` would become two.
 */

/** The headers of a request, however it came. */
export interface HeaderValues {
  /** In the order they came; none where it is absent. @param name in lower case */
  header(name: string): readonly string[];
  /** In lower case, each once. */
  headerNames(): Iterable<string>;
}

/** @param raw name, value, name, value, … as Node gives them; HTTP/2's own (`:path`) are left out */
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

/** Of a call within the process, where several values of one name are joined with commas. */
export function joinedHeaderValues(headers: Readonly<Record<string, string>>): HeaderValues {
  return {
    header: (name) => (headers[name] ?? '').split(',').flatMap((value) => (value.trim() === '' ? [] : [value.trim()])),
    headerNames: () => Object.keys(headers),
  };
}

/** Node reads headers as Latin-1; Go takes their bytes, which are UTF-8. */
function textOf(value: string): string {
  for (let index = 0; index < value.length; index++) {
    if (value.charCodeAt(index) > 0x7f) return Buffer.from(value, 'latin1').toString('utf8');
  }
  return value;
}
