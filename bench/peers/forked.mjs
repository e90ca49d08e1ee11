process.on('message', () => {
  for (;;);
})
process.send('first')
