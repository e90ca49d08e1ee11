/** That of package.json, which an image does not keep beside its bundle; test/plugins/openapi.test.ts compares them. */
export const version = '0.1.0'
