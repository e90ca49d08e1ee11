export default function run({ spin }) {
  while (spin);
  return null
}
