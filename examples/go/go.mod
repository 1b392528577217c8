module example.com/sluicegate

go 1.22
