"""What a person does about messages: dead letters, doubts, halts, and the audit of it all."""
